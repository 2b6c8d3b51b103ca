"""Commands that judge features and models."""
