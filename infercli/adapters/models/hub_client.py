"""How the Hub is asked: with which token, how often again, and in whose words it fails.

The one thing to know: what is worth another try is a row of hub_errors; `persist` waits and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from infercli import __version__
from infercli.adapters.models import hub_errors
from infercli.adapters.models.hub_errors import Asked
from infercli.core.units import duration
from infercli.errors import InferError, InputError

if TYPE_CHECKING:
    from httpx2 import Response

T = TypeVar("T")

TIMEOUT_S = 30.0
"""Between two bytes, and to connect. The Hub answers in well under a second; a cold object of its CDN takes several."""


@dataclass(frozen=True)
class HubClient:
    """The Hub at `endpoint` (None: HF_ENDPOINT, else huggingface.co), asked as `token` (None: HF_TOKEN, HF_TOKEN_PATH).

    `tell` is told in words before each wait; `sleep` is how it waits. `flags`: of `infercli pin`, to say what to type.
    """

    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    tell: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep
    flags: tuple[str, ...] = ()

    @contextmanager
    def stream(self, asked: Asked, commit: str, path: str, start: int = 0) -> Iterator[Response]:
        """The bytes of one file from `start` on. The token stays with the Hub: redirects to another host lose it.

        Raises the client's own exceptions: what is worth another try is decided by `persist`.
        """
        from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status

        url = hf_hub_url(asked.model_id, path, revision=commit, endpoint=asked.endpoint)
        # Compressed on the way, neither the length nor a range would be the file's.
        headers = self._headers() | {"accept-encoding": "identity"}
        if start:
            headers["range"] = f"bytes={start}-"
        with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_S) as response:
            if response.status_code != 416:  # a range that begins at the end: the caller's to judge
                hf_raise_for_status(response)
            yield response

    def persist(self, attempt: Callable[[], T], position: Callable[[], int] | None = None) -> T:
        """Run `attempt` until it succeeds or is not worth another try; progress of `position` starts the count anew."""
        failures, last = 0, position() if position else 0
        while True:
            try:
                return attempt()
            except Exception as error:
                now = position() if position else 0
                failures, last = (0, now) if now > last else (failures, last)
                pause = hub_errors.pause_s(error, failures, first_contact=position is None)
                if pause is None:
                    raise
                failures += 1
            self.tell(f"the Hub did not answer; trying again in {duration(pause)}")
            self.sleep(pause)

    def asked(self, model_id: str, revision: str, doing: str) -> Asked:
        """What its errors say was asked. Raises InputError for a token that cannot be one."""
        from huggingface_hub import constants

        endpoint = (self.endpoint or constants.ENDPOINT).rstrip("/")
        asked = Asked(model_id, revision, endpoint, has_token=False, doing=doing, flags=self.flags)
        with translated(asked):
            authorization = self._headers().get("authorization", "")
        if not (authorization.isascii() and authorization.isprintable()):
            raise InputError("the Hub token has characters that no token has", "set HF_TOKEN again, without quotes")
        return asked._replace(has_token=bool(authorization))

    def _headers(self) -> dict[str, str]:
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, not annotated

        return dict(build_hf_headers(token=self.token, library_name="infercli", library_version=__version__))


@contextmanager
def translated(asked: Asked) -> Iterator[None]:
    """Every exception of the client as one of ours; what no row explains passes, as the bug that it is."""
    try:
        yield
    except InferError:
        raise
    except Exception as error:
        ours = hub_errors.translate(error, asked)
        if ours is None:
            raise
        raise ours from error
