"""Facts of public models from general knowledge: neither their files nor their pages were read when these were written.

The one thing to know: the only check is a number of parameters, known the same way: a row whose shape has another is
wrong, and a test says so. `pin` reads the real files, and what it reads goes before these. A row keeps only the keys
that decide sizes.
"""

from __future__ import annotations

from infercli.core.shapes.cards.decoders import DECODERS
from infercli.core.shapes.cards.embedders import EMBEDDERS
from infercli.core.shapes.cards.further import FURTHER
from infercli.core.shapes.cards.hybrids import HYBRIDS
from infercli.core.shapes.cards.multimodal import MULTIMODAL

CARDS = (*DECODERS, *HYBRIDS, *MULTIMODAL, *FURTHER)

__all__ = ["CARDS", "EMBEDDERS"]
