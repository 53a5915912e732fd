"""What the Hub's client raises, in words: one row per exception, and which of them are worth another try.

The one thing to know: nothing here repeats a foreign message that could hold an address. The address of a large file
is signed, which makes it a secret, and a header that does not parse is quoted with the token in it.
"""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from infercli.core.units import duration
from infercli.errors import HubError, InferError, InputError

PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Before each further try: short enough to wait for, and in sum (15 s) longer than a load balancer takes to move."""
LONGEST_PAUSE_S = 60.0
"""What the Hub may ask for by Retry-After and still be waited for unasked; its windows are 5 minutes
(huggingface.co/docs/hub/rate-limits), so more than that is the user's decision."""


class Asked(NamedTuple):
    """What the user wanted: their own words, for messages and hints."""

    model_id: str
    revision: str
    endpoint: str
    has_token: bool
    doing: str
    """`pinning` or `downloading`."""
    directory: Path | None = None
    """Where it is downloaded to."""
    flags: tuple[str, ...] = ()
    """What was typed beside the model and its revision."""

    @property
    def pin(self) -> str:
        """The command that asks again, as they would type it."""
        revision = [] if self.revision == "main" else ["--revision", self.revision]
        return shlex.join(["infercli", "pin", self.model_id, *revision, *self.flags])

    @property
    def shown(self) -> str:
        """The endpoint for people and for logs: a mirror's address may have a name and a password in it."""
        return re.sub(r"(?<=//)[^/]*@", "", self.endpoint)

    @property
    def page(self) -> str:
        """The model's page, where terms are accepted and discussions are."""
        return f"{self.shown}/{self.model_id}"


def translate(error: Exception, asked: Asked) -> InferError | None:
    """The error to raise in place of a foreign one; None for one that no row explains, which is a bug of ours."""
    for kind in type(error).__mro__:
        if kind.__name__ in TRANSLATIONS:
            return TRANSLATIONS[kind.__name__](error, asked)
    return None


def pause_s(error: Exception, failures: int, *, first_contact: bool) -> float | None:
    """Seconds to wait before another try; None when another try is not worth it.

    `failures`: how many came before this one without progress between. `first_contact`: nothing has answered yet, so
    that a refused connection is the machine's state and not the moment's.
    """
    import httpx2

    backoff = PAUSES_S[failures] if failures < len(PAUSES_S) else None
    status = status_of(error)
    if status == 429:
        wanted = retry_after_s(error)
        if wanted is None or backoff is None:
            return backoff
        return wanted if wanted <= LONGEST_PAUSE_S else None
    if status is not None:
        return backoff if status >= 500 else None
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
        return None
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError) and first_contact:
        return None
    return backoff if isinstance(error, httpx2.TransportError) else None


def retry_after_s(error: Exception) -> float | None:
    """Seconds that a 429 asks to wait, by `Retry-After` or by the Hub's `RateLimit`; None when it does not say."""
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]  # documented, not annotated

    headers = error.response.headers if status_of(error) else {}  # type: ignore[attr-defined]  # what has a status has it
    if headers.get("retry-after", "").strip().isdigit():
        return float(headers["retry-after"])
    limit = parse_ratelimit_headers(headers)
    return float(limit.reset_in_seconds) if limit and limit.remaining == 0 else None


def status_of(error: Exception) -> int | None:
    """The HTTP status that an exception carries; None when there was no answer."""
    response = getattr(error, "response", None)
    return int(response.status_code) if response is not None else None


def _login(asked: Asked) -> str:
    return f"`export HF_TOKEN` with a read token ({asked.shown}/settings/tokens)"


def _gated(_error: Any, asked: Asked) -> InferError:
    if not asked.has_token:
        return HubError(
            f"`{asked.model_id}` is gated: the Hub gives it only to accounts that accepted its terms",
            f"accept them at {asked.page}, {_login(asked)}, then `{asked.pin}`",
        )
    return HubError(
        f"`{asked.model_id}` is gated, and the account of this token has not been let in",
        f"ask for access at {asked.page} (a fine-grained token also needs the permission to read gated repositories); "
        f"when it is granted, `{asked.pin}`",
    )


def _no_model(error: Any, asked: Asked) -> InferError:
    if asked.has_token and status_of(error) == 401:
        return _token_refused(asked)  # with a token that it knows the Hub says 404
    if asked.has_token:
        return HubError(
            f"there is no model `{asked.model_id}` on {asked.shown} that this token may see",
            f"look at {_search(asked)}, then `infercli pin ORG/NAME`",
        )
    return HubError(
        f"there is no model `{asked.model_id}` on {asked.shown}, or it is private: the Hub does not say which",
        f"look at {_search(asked)}; if it is private, {_login(asked)}, then `{asked.pin}`",
    )


def _token_refused(asked: Asked) -> InferError:
    return HubError(
        f"{asked.shown} does not accept this token",
        f"`hf auth whoami` tells whose it is; `unset HF_TOKEN`, or {_login(asked)}, then `{asked.pin}`",
    )


def _search(asked: Asked) -> str:
    return f"{asked.shown}/models?search={asked.model_id.rsplit('/', 1)[-1]}"


def _no_revision(_error: Any, asked: Asked) -> InferError:
    if asked.doing == "downloading":
        return HubError(
            f"commit {asked.revision} of `{asked.model_id}` is gone from the Hub; nothing else is taken in its place",
            f"look at {asked.page}/commits/main, then pin another: `infercli pin {shlex.quote(asked.model_id)}`",
        )
    return HubError(
        f"`{asked.model_id}` has no branch, tag or commit `{asked.revision}`",
        f"{asked.page}/commits/main lists them; `infercli pin {shlex.quote(asked.model_id)}` takes the newest of main",
    )


def _no_file(_error: Any, asked: Asked) -> InferError:
    return HubError(
        f"the Hub lists a file of `{asked.model_id}` and does not have it",
        f"try another revision: `infercli pin {shlex.quote(asked.model_id)} --revision COMMIT`",
    )


def _disabled(_error: Any, asked: Asked) -> InferError:
    return HubError(f"the Hub has switched `{asked.model_id}` off", f"{asked.page} may say why; pin another model")


def _invalid_id(_error: Any, asked: Asked) -> InferError:
    _, address, named = asked.model_id.partition("huggingface.co/")  # of an address, what it is an address of
    model = "/".join(named.split("/")[:2]) if address else "ORG/NAME"
    return InputError(
        f"`{asked.model_id}` is no Hub id, and there is no such directory",
        f"write `infercli pin {shlex.quote(model)}`, or the path of a directory: `infercli pin ./DIRECTORY`",
    )


def _offline(_error: Any, asked: Asked) -> InferError:
    return HubError(
        f"{asked.doing} `{asked.model_id}` needs the Hub, and HF_HUB_OFFLINE forbids to ask it",
        f"`unset HF_HUB_OFFLINE TRANSFORMERS_OFFLINE`, then `{asked.pin}`; without a network, pin a copy: "
        "`infercli pin ./DIRECTORY`",
    )


def _answered(error: Any, asked: Asked) -> InferError:
    """A status that no other row has."""
    status = status_of(error)
    said = (getattr(error, "server_message", None) or "").splitlines()
    if status == 429:
        wait = retry_after_s(error)
        when = f"and asks to wait {duration(wait)}" if wait is not None else "and does not say for how long"
        more = "" if asked.has_token else f"; accounts have a higher limit: {_login(asked)}"
        return HubError(
            f"the Hub answers no more requests for now (429 Too Many Requests) {when}",
            f"`sleep {wait or 300:.0f}; {asked.pin}`{more}",
        )
    if status in (401, 404):
        return _no_model(error, asked)
    if status is not None and status >= 500:
        return HubError(
            f"the Hub is in trouble ({status}) while {asked.doing} `{asked.model_id}`",
            f"https://status.huggingface.co says more; later, `{asked.pin}`",
        )
    what = f": {said[0][:200]}" if said else ""
    return HubError(
        f"the Hub refused ({status}) while {asked.doing} `{asked.model_id}`{what}",
        f"open {asked.page}; a fine-grained token needs read access to it",
    )


def _unreachable(error: Any, asked: Asked) -> InferError:
    reason = " ".join(str(error).split())
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return HubError(
            f"{asked.shown} shows a certificate that this machine does not trust",
            f"behind a proxy that inspects TLS: `export SSL_CERT_FILE=/path/to/its-ca.pem`, then `{asked.pin}`",
        )
    return HubError(
        f"{asked.shown} cannot be reached: {reason or 'no answer in time'}",
        f"check the network, HF_ENDPOINT and HTTPS_PROXY, then `{asked.pin}`; without a network, pin a copy: "
        "`infercli pin ./DIRECTORY`",
    )


def _broke_off(_error: Any, asked: Asked) -> InferError:
    return HubError(
        f"the connection to the Hub keeps breaking off while {asked.doing} `{asked.model_id}`",
        "run the same command again: what has arrived is kept"
        if asked.doing == "downloading"
        else f"check the network and HTTPS_PROXY, then `{asked.pin}`",
    )


def _bad_endpoint(_error: Any, asked: Asked) -> InferError:
    return InputError(
        f"`{asked.shown}` is not the address of a Hub",
        f"`unset HF_ENDPOINT`, or write it as `export HF_ENDPOINT=https://HOST`, then `{asked.pin}`",
    )


def not_a_hub(_error: Any, asked: Asked) -> InferError:
    """An answer that is no Hub's: a proxy's login page, a mirror that speaks something else."""
    return HubError(
        f"{asked.shown} answers, but not as a Hub does",
        f"a proxy or a login page may stand between: `curl -si {asked.shown}/api/models/{asked.model_id}` shows it",
    )


def _no_token(_error: Any, asked: Asked) -> InferError:
    return HubError("the Hub's client has no token where it was told to look", f"{_login(asked)}, then `{asked.pin}`")


def _local(error: OSError, asked: Asked) -> InferError:
    """A failure of this machine's disk or files."""
    place = error.filename or asked.directory or "the disk"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "the disk is full" if error.errno == errno.ENOSPC else "the disk quota is used up"
        return HubError(
            f"{place}: {what}",
            f"`df -h {asked.directory or '.'}` shows it; make room, then the same command again: what arrived is kept",
        )
    return HubError(f"{place}: {error.strerror or type(error).__name__}", f"`ls -ld {place}` says who may write there")


TRANSLATIONS: dict[str, Callable[[Any, Asked], InferError]] = {
    # huggingface_hub.errors
    "GatedRepoError": _gated,
    "RepositoryNotFoundError": _no_model,
    "RevisionNotFoundError": _no_revision,
    "RevisionResolutionError": _unreachable,
    "EntryNotFoundError": _no_file,
    "RemoteEntryNotFoundError": _no_file,
    "DisabledRepoError": _disabled,
    "BadRequestError": _answered,
    "HfHubHTTPError": _answered,
    "HFValidationError": _invalid_id,
    "OfflineModeIsEnabled": _offline,
    "LocalTokenNotFoundError": _no_token,
    "OIDCError": _no_token,
    "DeviceCodeError": _no_token,
    # httpx2
    "HTTPStatusError": _answered,
    "ConnectError": _unreachable,
    "ConnectTimeout": _unreachable,
    "ProxyError": _unreachable,
    "TooManyRedirects": not_a_hub,
    "DecodingError": not_a_hub,
    "UnsupportedProtocol": _bad_endpoint,
    "InvalidURL": _bad_endpoint,
    "HTTPError": _broke_off,
    "RequestError": _broke_off,
    "TransportError": _broke_off,
    "TimeoutException": _broke_off,
    "ReadTimeout": _broke_off,
    "WriteTimeout": _broke_off,
    "PoolTimeout": _broke_off,
    "NetworkError": _broke_off,
    "ReadError": _broke_off,
    "WriteError": _broke_off,
    "CloseError": _broke_off,
    "ProtocolError": _broke_off,
    "LocalProtocolError": _broke_off,
    "RemoteProtocolError": _broke_off,
    # the standard library
    "OSError": _local,
}
"""By class name, most derived first (`translate` walks the MRO), so that the command starts without the client."""
