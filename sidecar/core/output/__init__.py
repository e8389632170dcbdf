"""From tokens to what the app sees: text, reasoning, tool calls.

detokenizer (bytes of tokens to text), reply (text to segments), segments (the streamed pieces), reasoning (its
marks), tool_formats (the forms of calls), tool_call_parser, tags (calls written with tags instead of JSON),
tools (checks of calls), steering (what a request forces on the output), partial_match (marks cut by tokens).
"""
