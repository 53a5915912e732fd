"""A benchmark: its levels, what was measured, what follows from it, and how sure that is."""
