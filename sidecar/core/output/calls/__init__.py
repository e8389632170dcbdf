"""Tool calls in what a model writes.

tool_formats (the forms of calls), tool_call_parser (reads them), tags (those with tags instead of JSON), arguments
(values, strict JSON), tools (checks of calls).
"""
