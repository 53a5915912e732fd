"""The search for the cheapest configuration that holds."""
