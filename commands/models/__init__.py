"""Commands that fit models."""
