"""Solutions and runs on disk: the file of a solution, the journal of a run, and the environment that both record.

Nothing here computes a result.
"""
