"""vLLM's KV cache: what each layer keeps, the blocks that it is kept in, and how many there are."""
