"""The optimisation: losses, objectives, problems, the solver."""
