"""What a Job beside the endpoint is told to measure."""

from __future__ import annotations

import gzip
import json
from typing import Literal

from pydantic import Field

from infercli.core.bench.levels import Levels
from infercli.core.load.sending import Sending
from infercli.core.record import Document, canonical
from infercli.core.traces import Api


class BenchJob(Document):
    """The description that the Job reads. No secret is in it but the prompts; the API key is mounted beside it."""

    kind: Literal["BenchJob"] = "BenchJob"
    url: str
    """The endpoint's base URL inside the cluster."""
    model: str
    api: Api
    levels: Levels
    sending: Sending
    workers: int | None = Field(default=None, ge=1)
    """None: as many as each level needs."""

    def packed(self) -> bytes:
        """As it is mounted: gzip of its JSON, whose defaults are left out."""
        value = {"apiVersion": self.apiVersion, "kind": self.kind}
        return gzip.compress(canonical(value | self.model_dump(mode="json", exclude_defaults=True)), mtime=0)


def unpacked(data: bytes) -> BenchJob:
    """`BenchJob.packed` back again."""
    return BenchJob.model_validate(json.loads(gzip.decompress(data)))
