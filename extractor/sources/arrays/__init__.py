"""Images in arrays: IDX, NumPy files, tables of pixels, the bundled sample."""
