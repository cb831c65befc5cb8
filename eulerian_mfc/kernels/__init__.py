"""All compiled code, and the support for threads and floating-point sums.

Kernels take arrays and numbers, never fields, meshes or problems.
"""
