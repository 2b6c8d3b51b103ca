"""Small fully connected networks as heads."""
