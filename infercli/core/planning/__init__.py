"""From a deployment, a profile and a lock to a plan, and why it is as it is."""
