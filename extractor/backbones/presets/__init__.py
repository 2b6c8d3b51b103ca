"""Choices of several layers by rule, for any backbone."""
