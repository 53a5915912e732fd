"""What takes the memory of a GPU beside the KV cache."""
