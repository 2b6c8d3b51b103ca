"""Small files beside the rows: manifests, run records, quarantine lists, scores."""
