"""From messages and tools to the prompt.

prompt (all steps), messages (the form that a template takes), template (runs one within limits), sandbox (Jinja2),
step_limits (what one step may make), tool_prompt (describes tools to a model whose template cannot), tool_grammar (the
grammar of a forced call).
"""
