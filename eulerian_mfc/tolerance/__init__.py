"""One tolerance: the choice of everything numerical, and the bracket that says whether it was met."""
