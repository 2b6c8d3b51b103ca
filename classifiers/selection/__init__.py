"""Splits, folds, metrics, grids and sweeps: which head is best."""
