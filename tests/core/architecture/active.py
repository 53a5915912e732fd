"""What a token passes of a model: publishers name it ("A3B"), so that a count of experts can be held against it."""

from infercli.core.architecture.arch import Experts, Layout, parameter_count
from infercli.core.architecture.tensors import layer_tensors


def active_parameters(arch):
    """As `parameter_count`, with the experts that a token takes instead of all."""
    return parameter_count(arch) - sum(
        _idle(g, arch.hidden) for g in arch.layers if isinstance(g.feed_forward, Experts)
    )


def _idle(group, hidden):
    experts = group.feed_forward
    routed = sum(t.copies * t.outputs * t.inputs for t in layer_tensors(group, hidden, Layout()) if t.role == "experts")
    return routed - routed * experts.experts_per_token // experts.experts
