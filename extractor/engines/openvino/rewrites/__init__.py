"""Rewrites of a network before it is compiled, which keep its features."""
