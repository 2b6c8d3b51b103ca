"""Networks trained from scratch on the same splits as the heads: what frozen features must beat."""
