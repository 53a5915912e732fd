"""What fits in the place of a start that fails, or may."""

from __future__ import annotations

import math
from collections.abc import Callable

from infercli.core.architecture.arch import ModelArch
from infercli.core.estimates.memory import Sized
from infercli.core.memory import sizing
from infercli.core.memory.shared import shares_memory
from infercli.core.memory.vision import fewer_pixels

_Change = dict[str, str]
"""Settings, and what they become."""


def what_fits(sized: Sized) -> str:
    """The largest max_model_len and max_num_seqs, or the share of the memory, with which it starts.

    vLLM's own refusals name them. Each as expected and with every estimate at its high end. Empty where nothing is in
    the way, where the KV cache is given its size, and where only less weight on a GPU helps.
    """
    left, load, facts = sized.room.left, sized.load, sized.facts
    need = 0 if sized.layout is None else max(sized.layout.bytes_to_admit(load.max_model_len), sized.capture_bytes)
    if sized.room.given or not sized.loads or (sized.free and left.low_bytes >= need):
        return ""
    total, budget = sized.memory.total_bytes, sized.memory.budget_bytes
    kept = sizing.outside_budget_bytes(sized.arch, sized.quantization, load, facts)
    kept += sum(t.high_bytes for t in sized.memory.terms if not t.inside_budget)

    def leaves_enough(share: float) -> bool:
        free = sizing.free_at_start(load, facts, total, int(share * total))
        return free is True and total - int(share * total) >= kept

    def changes(left_bytes: int) -> tuple[_Change | None, ...]:
        if sized.free:
            larger = math.ceil(100 * (budget + need - left_bytes) / total) / 100
            more = not shares_memory(load.gpu) and leaves_enough(larger)
            return _smaller(sized, left_bytes), _share(larger) if more else None
        hundredths = range(math.ceil(100 * budget / total) - 1, 0, -1)
        lower = next((n / 100 for n in hundredths if leaves_enough(n / 100)), 0.0)
        smaller = _smaller(sized, left_bytes - budget + int(lower * total))
        return (None if smaller is None else _share(lower) | smaller,)

    expected, worst = changes(left.bytes), changes(left.low_bytes)
    if sized.free and left.bytes >= need:
        sure = " or ".join(_words(change) for change in worst if change)
        return f"even at worst it fits with {sure}" if sure else ""
    said = " or ".join(_both(a, b) for a, b in zip(expected, worst, strict=True) if a)
    return f"it fits with {said}" if said else ""


def smaller_images(arch: ModelArch, sized_with: Callable[[int], Sized | None], *, alone: bool) -> str:
    """The largest images with which it starts, or with what else those that leave room do.

    `sized_with`: the same start where an image has no more than so many pixels. `alone`: nothing else is to be changed,
    because something else would do without. Empty where images are not in the way, or it is not known what bounds them.
    """
    counts, also = fewer_pixels(arch), ""
    if not counts or not _leaves_room(sized_with(counts[-1])):
        return ""
    for pixels in counts:
        sized, said = sized_with(pixels), f'mm_processor_kwargs {{"max_pixels": {pixels}}}'
        if sized is not None and sized.starts:
            return f"it fits with {said}"
        if sized is not None and _leaves_room(sized) and not (alone or also) and (rest := what_fits(sized)):
            also = f"with {said} {rest}"
    return also


def _leaves_room(sized: Sized | None) -> bool:
    return sized is not None and sized.room.left.low_bytes > 0


def _words(change: _Change) -> str:
    return " and ".join(f"{name} {value}" for name, value in change.items())


def _both(expected: _Change, worst: _Change | None) -> str:
    if worst is None:
        return f"{_words(expected)} (not at worst)"
    if worst == expected:
        return _words(expected)
    shorter = " and ".join(worst.values()) if worst.keys() == expected.keys() else _words(worst)
    return f"{_words(expected)} (at worst {shorter})"


def _share(share: float) -> _Change:
    return {"gpu_memory_utilization": f"{share:.2f}"}


def _smaller(sized: Sized, left_bytes: int) -> _Change | None:
    """A shorter request, and fewer at a time where each takes a block for its state; None: nothing is left for one."""
    layout, load = sized.layout, sized.load
    if layout is None:
        return {}
    length = layout.longest_that_fits(max(0, left_bytes), load.max_model_len)
    count = left_bytes // layout.bytes_per_block if sized.capture_bytes > left_bytes else load.max_num_seqs
    if not length or not count:
        return None
    changed = {"max_model_len": (length, load.max_model_len), "max_num_seqs": (count, load.max_num_seqs)}
    return {name: f"{fits:,}" for name, (fits, asked) in changed.items() if fits < asked}
