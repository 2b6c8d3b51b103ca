"""Commands that use a fitted model."""
