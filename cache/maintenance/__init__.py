"""Looking after a cache: verify, repair, gc, compact, rm."""
