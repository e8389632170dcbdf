"""From tokens to what the app sees: text, reasoning, tool calls.

detokenizer (tokens to characters), reply (characters to segments), reasoning (where it begins and ends),
tool_call_parser, tags (calls that are written as tags).
"""
