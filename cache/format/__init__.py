"""The files of the cache: how rows, checksums and strings lie on disk."""
