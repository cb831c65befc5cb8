"""Everything that is compiled, and what threads and floating point need.

Kernels see arrays and numbers, never fields, meshes or problems.
"""
