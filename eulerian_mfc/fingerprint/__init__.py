"""The identity of a computation: a hash of everything on which its result depends.

Nothing here runs or stores a computation.
"""
