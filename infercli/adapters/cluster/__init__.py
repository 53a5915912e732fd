"""A Kubernetes cluster: its objects, its locks and its histories."""
