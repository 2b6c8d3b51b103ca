"""Fitted models, the .featx file, and exports."""
