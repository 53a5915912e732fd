"""Pure: a Plan becomes the objects and the Serve config that run it."""
