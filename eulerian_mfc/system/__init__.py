"""The discrete problem: its sweeps, cost, gradient, Hessian and Hamiltonians, on meshes and by particles.

No module here imports a solver.
"""
