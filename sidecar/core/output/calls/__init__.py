"""Tool calls in what a model writes.

call_forms (the forms of calls, and which one a template has), call_reader (reads them), tagged_calls and tag_forms
(those with tags instead of JSON), elements (tags within tags), literal_calls (those written as in a programming
language), arguments (values, strict JSON), tools (checks of calls).
"""
