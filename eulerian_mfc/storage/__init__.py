"""Solutions and runs on disk: the file of a solution, the journal of a run, the environment they record.

Nothing here computes a result.
"""
