"""How long the loop naps before its next look, so that a look finds several tokens of different streams.

The one thing to know: a nap saves CPU and must blur nothing, so there is none where it would merge tokens of a stream.
"""

from __future__ import annotations

_NAP_S = 0.004
"""Between two looks, at most. At 64 streams of a token each 15 ms naps of 2 ms save 15 % of the CPU and at 256 streams
27 % (measured: 22.7 to 19.4 and 19.0 to 13.9 us a token); those of 4 ms another 5 % (9.0 to 8.5 and 7.0 to 6.7)."""
_LEAST_NAP_S = 0.0002
"""A shorter one is not worth its call. Our choice, as are the shares and the rate below."""
_NAP_OF_GAP, _NAP_OF_ANSWER = 1 / 4, 1 / 100
"""And at most these shares of what lies between two reads of a stream, so that tokens stay apart, and of what an answer
takes, so that the load stays as asked: the user of a closed loop goes on when the end was seen."""
_NAP_NEEDS = 1000
"""Reads a second. Below it there is nothing to save."""
_ONE_BY_ONE = 1.25
"""Tokens of a read, at most, where they come one by one: role frames and ends come with others. Our choice."""


def how_long_to_nap_s(
    streams: int, window_s: float, reads: int, begun: int, *, tokens_per_read: float = 1.0, crowded: bool = False
) -> float:
    """Before the next look, by what the last `window_s` brought: reads on that many streams, and requests begun.

    0 where a nap would merge tokens of a stream or hold users back, and where there is nothing to save. Where tokens
    come several to a read it cannot be told whether naps did that. `crowded`: the loop is short of CPU, and tokens are
    merged anyway.
    """
    if reads < _NAP_NEEDS * window_s or (tokens_per_read > _ONE_BY_ONE and not crowded):
        return 0.0
    of_gap = 1.0 if crowded else _NAP_OF_GAP
    nap_s = min(_NAP_S, of_gap * streams * window_s / reads, _NAP_OF_ANSWER * streams * window_s / max(begun, 1))
    return nap_s if nap_s >= _LEAST_NAP_S else 0.0
