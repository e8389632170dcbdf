"""Draft tokens: where they come from, and which of them the model accepts.

speculation (of one request), draft_model (a smaller model proposes), mtp_head (the model's own head proposes),
prompt_lookup (earlier text proposes).
"""
