"""How the weights of a checkpoint are stored, and what that needs of a GPU."""
