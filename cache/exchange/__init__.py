"""Features in and out: export, import, merge."""
