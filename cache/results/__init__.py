"""Results: what was measured, with the predictions of the rows that judged."""
