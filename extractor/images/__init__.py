"""From an image's bytes to uint8 RGB pixels of the size that a backbone sees."""
