"""Our own solver for regularised linear heads: a grid of C values costs about as much as one."""

from .options import PathResult, SolverOptions
from .path import Scaling, solve_path

__all__ = ["PathResult", "Scaling", "SolverOptions", "solve_path"]
