"""Plain records of a solution and its checks, which other packages make, store, draw and export.

No module here solves, sweeps, reads a file or draws. Packages that make or show results import this one, not the reverse.
"""
