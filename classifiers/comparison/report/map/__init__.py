"""The map of the features: its coordinates, its plot, and its section of the page."""
