"""JPEG: its segments, its end marker, and a fast way to its pixels."""
