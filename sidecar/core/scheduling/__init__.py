"""Who computes next: slots, batches, running generations.

scheduler (the loop of the compute thread), runner (what it asks of each kind of context), generation_runner,
embedding_runner (one step of a context), slots (which request gets which sequence), generation (one request for
text), generation_progress (what it sends meanwhile), usage (its tokens and times), checkpoint_places (where its prompt
can be returned to), overflow (a prompt or a text that is too long for a sequence), between_steps (work on a cache while
nothing computes), saver (conversations on their way to a disk and back).
"""
