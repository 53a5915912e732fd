"""Whether an endpoint serves the models that are to be asked, before thousands of requests are sent to it in vain."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from infercli.errors import EndpointError

if TYPE_CHECKING:
    from infercli.adapters.openai_api import OpenAiApi
    from infercli.core.record import Json
    from infercli.core.traces import Api

_SMALLEST: dict[Api, tuple[str, dict[str, Json]]] = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}),
    "completions": ("/v1/completions", {"prompt": "hello", "max_tokens": 1}),
    "embeddings": ("/v1/embeddings", {"input": "hello"}),
}


def check_models(client: OpenAiApi, api: Api, names: Collection[str]) -> None:
    """Raises EndpointError for a name that the endpoint does not list, and knows nothing of when it is asked once.

    Asked, because some serve what they do not list: an alias, or an adapter that is loaded when it is needed. What else
    may be wrong with an endpoint is left to the measurement, except a key that it does not take.
    """
    from infercli.adapters.openai_errors import Refused, Unreachable

    if not names:
        return
    try:
        listed = client.models()
    except EndpointError as error:
        if isinstance(error, Unreachable) or getattr(error, "status", None) == 401:
            raise
        return
    path, body = _SMALLEST[api]
    for name in sorted(set(names) - set(listed)):
        try:
            client.post_json(path, {"model": name, **body})
        except Refused as error:
            if error.status == 404:
                raise
        except EndpointError:
            pass  # not about the name: the measurement will meet it, and count it by kind
