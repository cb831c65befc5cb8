"""The discrete problem: its sweeps, cost, gradient, Hessian and Hamiltonians, on meshes and by particles.

Nothing here knows a solver.
"""
