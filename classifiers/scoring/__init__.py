"""Offline batch scoring: rows to predictions on disk."""
