"""Files of predictions: where they go, in which form, and what they say of themselves."""
