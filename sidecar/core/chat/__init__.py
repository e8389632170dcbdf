"""From messages and tools to the prompt.

prompt (the whole way), messages (what a template gets), template (Jinja, bounded in time), tool_prompt
(tools that the model is told of), tool_grammar (the grammar of a call that must be made).
"""
