"""Pictures and sound: how they become rows of numbers that stand in a prompt between tokens.

source (finds the bytes of a content part), pictures, sounds and headers (what their headers say, before they are
decoded), orientation (turns photos), projector (owns libmtmd's context), projector_file (whether a file is one),
encoder (makes the rows, on a thread of its own), stop_flag (ends that), prompt_media (those of one prompt), media_id
(how they stand in a list of tokens).
"""
