"""Linear heads and the solver they share."""
