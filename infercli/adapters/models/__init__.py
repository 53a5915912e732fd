"""Models on the Hub and in directories: which files they are, whether they are whole, and fetching them."""
