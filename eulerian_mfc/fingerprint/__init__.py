"""The identity of a computation: a hash of everything that its result depends on.

Nothing here runs or stores a computation.
"""
