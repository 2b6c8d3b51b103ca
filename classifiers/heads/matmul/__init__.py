"""Matrix products over shared arrays: in bfloat16 units, in threads, as distances."""
