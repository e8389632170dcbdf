"""From tokens to what the app sees: text, reasoning, tool calls.

detokenizer (bytes of tokens to text), reply (what was written), segments (the streamed pieces), splitter (text to
segments at marks), harmony (the same for the channels of gpt-oss), reasoning and message_headers (their marks), calls
(reads and checks them), output_constraints (what a request forces on the output).
"""
