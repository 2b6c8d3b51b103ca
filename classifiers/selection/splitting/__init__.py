"""Which rows are learned from and which judge, and what is known of them before training."""
