"""The solver of the linear heads: a grid of C values costs about as much as one."""

from .losses import Targets
from .path import Scaling, solve_checked, solve_path
from .solver_options import PathResult, SolverOptions

__all__ = ["PathResult", "Scaling", "SolverOptions", "Targets", "solve_checked", "solve_path"]
