"""Conversions between what people write or read and what is computed with. The only place where units change."""

from __future__ import annotations

import re
from math import floor, log10

MIB, GIB = 2**20, 2**30
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration_s(text: str) -> float:
    """`300ms`, `10s`, `5m`, `1h30m`, `2` (seconds) -> seconds. Raises ValueError."""
    if re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text.strip())
    if not parts or "".join(a + b for a, b in parts) != text.strip():
        raise ValueError(f"`{text}` is not a duration; write for example `90s`, `10m` or `1h30m`")
    return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)


def gib(value_bytes: float, digits: int = 1) -> str:
    """Bytes as GiB for people: `14.9 GiB`."""
    return f"{value_bytes / GIB:,.{digits}f} GiB"


def duration(value_s: float) -> str:
    """Seconds for people: `0.45 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if value_s < 10:
        return f"{value_s:.2f} s"
    if value_s < 120:
        return f"{value_s:.0f} s"
    minutes, seconds = divmod(round(value_s), 60)
    if minutes < 120:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def number(value: float, digits: int = 3) -> str:
    """That many significant digits for people, without an exponent: `0.00412`, `12.5`, `2,440`."""
    if value == 0:
        return "0"
    text = f"{value:,.{max(0, digits - 1 - floor(log10(abs(value))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(value: float, digits: int) -> str:
    """So many digits after the point, and more where they would all be zeros: `12.5`, `0.013`."""
    return number(value, 2) if 0 < value < 10.0**-digits else f"{value:,.{digits}f}"


def counted(count: float, noun: str, digits: int = 6, *, plural: str | None = None) -> str:
    """`1 GPU`, `20 GPUs`; `plural` where it takes more than an s."""
    text = number(count, digits)
    return f"{text} {noun if text == '1' else plural or noun + 's'}"
