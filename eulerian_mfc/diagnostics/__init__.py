"""What is measured of a solution: its certificate, stability, maximum principle, error budget, and warnings.

Nothing here changes a solution.
"""
