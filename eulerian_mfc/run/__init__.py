"""From a problem to its solution: solving, adaptive meshes, several starts, continuation, and cases.

No module here computes a scheme or an adjoint itself.
"""
