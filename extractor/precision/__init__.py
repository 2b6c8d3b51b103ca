"""Precision: which number format a network computes in, and how far that is from float32."""
