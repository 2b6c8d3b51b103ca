"""Which rows are learned from and which judge, and what is odd about them."""
