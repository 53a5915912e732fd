"""One question, one answer: memory, whether it starts, and speed, without a lock or a deployment file."""
