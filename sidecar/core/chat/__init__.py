"""From messages and tools to the prompt.

prompt (all steps), messages (the form that a template takes), lost_messages (so that it loses none), turns (other ways
to write a conversation), support (what a template supports), rendering (runs one within limits), untrusted_texts (those
that an app, a user or a model wrote), inert_text (such a text opens no turn), effort (how much the model may think),
tool_prompt (describes tools to a model whose template cannot), tool_grammar (the grammar of a forced call),
optional_calls (that of calls that the model may make).
"""
