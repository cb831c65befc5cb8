"""Derivatives of users' functions by the complex step and by differences, and checks of derivatives that users pass.

Nothing here depends on fields, losses or laws.
"""
