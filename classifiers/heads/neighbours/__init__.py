"""The k-nearest-neighbours head and its search."""
