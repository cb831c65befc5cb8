"""Derivatives of functions that users write: by the complex step, by differences, and checks of those that they pass.

Nothing here knows a field, a loss or a law.
"""
