"""Commands that make and look after features."""
