"""Shards: immutable files of feature rows, read as one array."""
