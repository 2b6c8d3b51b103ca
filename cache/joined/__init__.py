"""Several sets of features side by side: their spec, their rows, and the names that mean them."""
