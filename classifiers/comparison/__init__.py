"""What came of training, measured, compared and drawn."""
