"""Training the last layers of a backbone on cached outputs of the frozen ones."""
