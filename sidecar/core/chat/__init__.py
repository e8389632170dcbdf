"""From messages and tools to the prompt.

prompt (all steps), messages (the form that a template takes), arrangement (so that it loses no message), turns
(other ways to write a conversation), support (what a template supports), rendering (runs one within limits), literal
(what is not the template's stays text), given (the texts that are not), effort (how much the model may think),
tool_prompt (describes tools to a model whose template cannot), tool_grammar (the grammar of a forced call),
optional_calls (that of calls that the model may make).
"""
