"""Results as files that people open: pure text in, pure text out. `html` and `export` are what commands call."""
