"""The base of everything that is persisted, printed as JSON, or read from a file.

The one thing to know: modules that define records or named tuples import no annotations from __future__. The fields of
both are needed as types, and each would be compiled from its string whenever the module is imported.
"""

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Json = Any  # JSON values: a recursive alias makes every access a cast, and pydantic checks them where they enter


class Record(BaseModel):
    """A frozen value. A misspelt key is an error: a setting that is silently dropped is worse than one refused.

    Numbers are finite: YAML reads `.inf`, and no JSON could hold it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)
    # defer_build: a command imports far more records than it makes, and each costs a millisecond to prepare.


class Document(Record):
    """A record that stands alone in a file or as a command's JSON output; subclasses fix `kind`."""

    apiVersion: Literal["infercli/v1"] = "infercli/v1"


def canonical(value: Json) -> bytes:
    """The one byte string of a JSON value: sorted keys, no spaces; what every digest here is taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Json) -> str:
    """sha256 of `canonical(value)`, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()
