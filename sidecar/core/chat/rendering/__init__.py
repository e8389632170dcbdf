"""Runs a chat template within limits.

template (its thread, time and memory), sandbox (Jinja2), step_limits (what one step may make).
"""
