"""infercli: from a model, a hardware profile and a traffic target to a running, reversible vLLM service."""

__version__ = "0.1.0"
