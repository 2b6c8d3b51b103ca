"""Tables that name image files: CSV, Parquet, JSON lines."""
