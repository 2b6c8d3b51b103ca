"""The images that are nearest to one, by their cached features."""

from .nearest import Neighbour, find_similar

__all__ = ["Neighbour", "find_similar"]
