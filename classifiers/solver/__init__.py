"""Our own solver for regularised linear heads: a grid of C values costs about as much as one.

The scikit-learn estimators over it are in `estimators`, which imports scikit-learn.
"""

from .options import PathResult, SolverOptions
from .path import Scaling, solve_path

__all__ = ["PathResult", "Scaling", "SolverOptions", "solve_path"]
