"""Tool calls in what a model writes.

tool_formats (the forms of calls), tool_call_parser (reads them), tags and tag_sets (those with tags instead of JSON),
elements (tags within tags), literals (those written as in a programming language), arguments (values, strict JSON),
tools (checks of calls).
"""
