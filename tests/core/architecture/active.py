"""What a token passes of a model: publishers name it ("A3B"), so that a count of experts can be held against it."""

from infercli.core.architecture.arch import Experts, Layout, parameter_count, table_elements
from infercli.core.architecture.tensors import layer_tensors


def active_parameters(arch):
    """As `parameter_count`, with the experts that a token takes instead of all, and without tables of n-grams."""
    idle = sum(_idle(g, arch.hidden) for g in arch.layers if isinstance(g.feed_forward, Experts))
    return parameter_count(arch) - table_elements(arch) - idle


def _idle(group, hidden):
    experts = group.feed_forward
    routed = sum(t.copies * t.outputs * t.inputs for t in layer_tensors(group, hidden, Layout()) if t.role == "experts")
    return routed - routed * experts.experts_per_token // experts.experts
