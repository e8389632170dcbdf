"""Who computes next: slots, batches, running generations.

scheduler (the loop of the compute thread), slots (who gets a sequence), step (one batch), generation (one
running request), overflow (a full sequence), between_steps (work on a cache while nothing computes).
"""
