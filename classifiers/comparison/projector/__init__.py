"""Cached features as a log for TensorBoard's Embedding Projector."""
