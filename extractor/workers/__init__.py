"""Several workers over one source: processes on this machine, or actors of Ray."""
