"""Draft tokens: where they come from, and which of them the model accepts.

speculation (of one request), draft_model (a smaller model proposes), head (a head proposes: mtp_head, eagle_head),
prompt_lookup (earlier text proposes).
"""
