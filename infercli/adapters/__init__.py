"""All I/O, one outside library per file."""
