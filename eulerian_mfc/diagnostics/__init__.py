"""Measurements of a solution: its certificate, stability, maximum principle, error budget, and warnings.

No module here changes a solution.
"""
