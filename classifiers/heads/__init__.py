"""Heads: scikit-learn classifiers over cached features, and the table that names them."""

from .registry import HEADS, HeadRecord, find_head, load_head, make_head

__all__ = ["HEADS", "HeadRecord", "find_head", "load_head", "make_head"]
