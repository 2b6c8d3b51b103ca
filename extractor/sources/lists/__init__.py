"""Single images and lists of paths."""
