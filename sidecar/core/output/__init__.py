"""From tokens to what the app sees: text, reasoning, tool calls.

detokenizer (bytes of tokens to text), reply (text to segments), reasoning (the marks around it),
tool_call_parser, tags (calls written with tags instead of JSON), tool_formats (which form a template uses),
tools (checks of calls), steering (what a request forces on the output).
"""
