"""Files of weights that are whole, which `infercli pin` asks of a directory."""

from __future__ import annotations

import json
import struct


def safetensors(body: bytes) -> bytes:
    """One tensor of these bytes."""
    tensor = {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]}
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": tensor}).encode()
    return struct.pack("<Q", len(header)) + header + body
