"""The requests that an engine answers, one file per group.

handlers (the table: method → function), init, models (loadModel), contexts (createContext, disposeContext),
generate (complete, chat, infill), embed (embed, rerank), tokens (tokenize, detokenize, applyTemplate, countTokens),
state (saveState, restoreState).
"""
