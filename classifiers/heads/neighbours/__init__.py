"""Heads and helpers built on distances between rows."""
