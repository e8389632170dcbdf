"""From tokens to what the app sees: text, reasoning, tool calls.

detokenizer (bytes of tokens to text), reply (what was written), segments (the streamed pieces), splitter (text to
segments at marks), harmony (the same for the channels of gpt-oss), reasoning (its marks), tool_formats (the forms of
calls), tool_call_parser, tags (calls written with tags instead of JSON), arguments (values, strict JSON), tools (checks
of calls), steering (what a request forces on the output).
"""
