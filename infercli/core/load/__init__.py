"""What a benchmark sends."""
