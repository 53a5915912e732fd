"""What a benchmark sends: conversations of one turn or several, and what a result says of them without saying them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from infercli.core.record import Json, Record, canonical


def check_prompt(value: Json) -> Json:
    """The value, when it is a prompt that a request can carry. Raises ValueError in words for users."""
    messages = isinstance(value, (list, tuple)) and all(isinstance(m, dict) for m in value)
    if not isinstance(value, str) and not messages:
        raise ValueError("must be text, or a list of messages ({role, content})")
    if not value:
        raise ValueError("is empty")
    if messages and not all(isinstance(m.get("role"), str) for m in value):
        raise ValueError("every message must have a role, which is text")
    try:
        canonical(value)
    except UnicodeEncodeError:
        raise ValueError("holds half of a character (a lone surrogate), which no request can carry") from None
    except (TypeError, ValueError, RecursionError):
        raise ValueError("holds something that is not JSON") from None
    return value


def mended(text: str) -> str:
    """What a server said, as UTF-8 can carry it: JSON has halves of characters (\\ud83d), together or alone."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


Prompt = Annotated[str | tuple[dict[str, Json], ...], BeforeValidator(check_prompt)]
"""Text, or chat messages (`{"role": ..., "content": ...}`)."""


class Turn(Record):
    """One request of a conversation."""

    prompt: Prompt
    """Of a turn after the first: what is said after the answer to the one before. The answers really given stand
    between them when it is sent."""
    max_tokens: int | None = Field(default=None, ge=1)
    """None: the load's."""
    think_s: float = Field(default=0.0, ge=0)
    """From the end of the answer before to this turn; 0 for the first."""


class Conversation(Record):
    """One user's turns, in order."""

    turns: tuple[Turn, ...] = Field(min_length=1)
    at_s: float | None = Field(default=None, ge=0)
    """When a trace has it begin, after the trace's own beginning; None: the load says when."""
    model: str | None = None
    """A model of the same endpoint (a LoRA adapter); None: the target's."""


class PrefixSent(Record):
    """What a shared prefix came to, over the conversations that were really begun."""

    tokens: int
    first_prompts: int
    """Measured ones."""
    sent_before: int
    """Of them, those with a prefix that another of their level had begun with before."""


class PromptsUsed(Record):
    """Which conversations were sent, without saying them: traffic may be private."""

    source: str
    """`workload chat`, `synthetic (64 words, seed 1)`, ..."""
    count: int
    """Requests in them: every turn is one. A load that has more sends them again; what was written here (not text of
    the user's) then begins with another number each time."""
    digest: str
    """HMAC-SHA256 of the conversations with this machine's key: equal for equal ones, and not to be guessed from a
    list of likely ones."""
    key_id: str
    """Which key: digests under different keys cannot be compared."""
    prefix: PrefixSent | None = None
    """None: no prefix was made for them to share."""
    cut: int = 0
    """Measured first prompts of which `usage` says far fewer tokens than they have words."""


def single(prompt: Prompt) -> Conversation:
    """A conversation of one turn."""
    return Conversation(turns=(Turn(prompt=prompt),))


def digest_conversations(conversations: Sequence[Conversation], source: str, key: bytes) -> PromptsUsed:
    """What a result says of what was sent. `key`: at least 16 bytes, the same on a machine for ever."""
    if len(key) < 16:
        raise ValueError("a key of fewer than 16 bytes can be guessed")
    text = canonical([c.model_dump(mode="json", exclude_defaults=True) for c in conversations])
    return PromptsUsed(
        source=source,
        count=sum(len(c.turns) for c in conversations),
        digest=hmac.new(key, text, hashlib.sha256).hexdigest(),
        key_id=hashlib.sha256(b"infercli prompt key\0" + key).hexdigest()[:8],
    )
