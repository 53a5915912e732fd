"""What GPUs and engines said of themselves during a run."""
