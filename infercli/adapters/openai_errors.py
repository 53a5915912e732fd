"""What an endpoint's failures mean to the person who asked: every exception of sockets, TLS and HTTP, and every status.

The hint says what to type next. No message holds a key: none is given to these functions.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Mapping

from infercli.core.endpoint import Endpoint
from infercli.core.load.conversation import mended
from infercli.core.record import Json
from infercli.errors import EndpointError

MAX_ERROR_BYTES = 64 * 1024
"""Of an error's body that is read: enough for any engine's message, and no proxy's page fills the memory."""


class Unreachable(EndpointError):
    """No answer came: nobody listens, the name is unknown, TLS failed, or time ran out. Trying again may help."""


class Refused(EndpointError):
    """It answered with a status other than 200."""

    def __init__(self, message: str, hint: str | None, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.status = status
        self.retry_after_s = retry_after_s
        """What the server asks for; None when it does not say."""


_OTHER_NAME = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h: no authority mends these."""


def unreachable(error: Exception, endpoint: Endpoint, timeout_s: float) -> EndpointError:
    """An exception of `socket`, `ssl` or `http.client`, in words."""
    url = endpoint.url
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(
            f"nothing listens at {url}", "`infercli status` shows what is deployed and where; or check the port"
        )
    if isinstance(error, socket.gaierror):
        return Unreachable(f"the host name {endpoint.host} cannot be resolved", "check the URL")
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"{url} did not answer within {timeout_s:g} s", "`infercli logs` shows whether the engine works"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(
            f"the certificate of {url} is not trusted: {error.verify_message.removesuffix('.')}",
            "give the URL with a name that it is for"
            if error.verify_code in _OTHER_NAME
            else "SSL_CERT_FILE=ca.pem names an authority of your own",
        )
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "reason", None) or type(error).__name__
        return Unreachable(f"TLS with {url} failed: {why}", "is it plain http://?")
    if isinstance(error, http.client.IncompleteRead | ConnectionError):
        # What speaks TLS closes without a word when it is spoken to in plain text.
        wordless = endpoint.scheme == "http" and isinstance(error, http.client.RemoteDisconnected)
        hint = "try again; or is it https://?" if wordless else "try again"
        return Unreachable(f"{url} closed the connection before its answer was whole", hint)
    if isinstance(error, http.client.HTTPException):
        return EndpointError(f"{url} does not speak HTTP ({type(error).__name__})", "is it https, or another port?")
    why = getattr(error, "strerror", None) or type(error).__name__
    return Unreachable(f"{url} cannot be reached: {why}", "check the URL and the network between")


def refused(
    endpoint: Endpoint, path: str, status: int, body: bytes, headers: Mapping[str, str], *, has_key: bool
) -> Refused:
    """A status other than 200. `headers`: names in lower case."""
    url, said = endpoint.url, server_words(body, f"HTTP {status}")
    retry_after_s = _retry_after_s(headers)
    wait = f"try again in {retry_after_s:g} s" if retry_after_s is not None else "try again shortly"
    hint: str | None
    if status == 401:
        message = f"{url} does not accept this API key" if has_key else f"{url} wants an API key"
        hint = "give the key by INFERCLI_API_KEY, or its file by INFERCLI_API_KEY_FILE"
    elif status == 403:
        message, hint = f"{url} forbids it: {said}", "this key or user may not do this; ask who runs the endpoint"
    elif status == 404:
        message, hint = f"{url} has no {path}", "is it the base URL of an OpenAI-compatible endpoint?"
    elif status == 413:
        message, hint = f"the request is too large for {url}: {said}", "shorten it, or raise `front.max_body_mib`"
    elif status == 429:
        message, hint = f"{url} is busy: {said}", f"{wait}, or raise `front.max_in_flight`"
    elif status == 503:
        message, hint = f"{url} is not ready: {said}", f"{wait}; `infercli status` says what it waits for"
    elif 300 <= status < 400:
        where = headers.get("location", "").partition("?")[0][:200]
        message = f"{url} redirects to {where}" if where else f"{url} redirects"
        hint = "give the base URL that this leads to: a request with a key does not follow redirects"
    elif status >= 500:
        message, hint = f"{url} failed with HTTP {status}: {said}", "`infercli logs` shows the engine's side"
    else:
        message, hint = f"{url} refused the request with HTTP {status}: {said}", None
    return Refused(message, hint, status=status, retry_after_s=retry_after_s)


def server_words(body: Json, otherwise: str) -> str:
    """The server's own words, in one line of at most 300 characters. `body`: bytes, or JSON that was parsed."""
    value = body
    if isinstance(body, bytes):
        try:
            value = json.loads(body)
        except ValueError:
            value = body.decode("utf-8", "replace")
    if isinstance(value, dict):
        error = value.get("error", value.get("message", value.get("detail")))
        value = error.get("message") if isinstance(error, dict) else error
    return mended(" ".join(str(value or otherwise).split()))[:300]


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds; None when absent, or a date, which is of use only where both clocks agree."""
    value = headers.get("retry-after", "")
    return float(value) if value.isdigit() else None
