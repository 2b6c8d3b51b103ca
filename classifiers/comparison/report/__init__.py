"""The report: one page of what came of a source."""
