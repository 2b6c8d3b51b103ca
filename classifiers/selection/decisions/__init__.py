"""How classes are weighed, and when one is predicted: weights, costs, thresholds."""
