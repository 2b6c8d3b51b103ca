"""TIFF: its directories, its pages, and the samples that Pillow has no mode for."""
