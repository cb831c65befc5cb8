"""What a solution and its checks are, as plain values: records that other rooms make, store, draw and export.

Nothing here solves, sweeps, reads a file or draws; every room that makes or shows a result stands above this one.
"""
