"""Accuracy by number of training images, and what more of them would bring."""
