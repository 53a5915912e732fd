"""Verbs that need the world, given it as Protocols; no state of their own."""
