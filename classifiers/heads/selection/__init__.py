"""Choosing the most useful columns of features, and reading these alone."""
