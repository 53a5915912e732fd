"""An engine: Ray's LLMServer with one method more, which answers HTTP requests by vLLM's own application.

It has no route of its own: the front calls it by handle. Importing this package imports neither ray nor vLLM; `build`
does, in the process that builds the application and in the replica.
"""

from __future__ import annotations

from typing import Any


def build(args: dict[str, Any]) -> Any:
    """The Serve application of `{"llm_config": {...}}`, as ray.serve.llm's LLMConfig reads it.

    Replicas, max_ongoing_requests and graceful_shutdown_timeout_s stand in the config's `deployments`: in `args` a
    changed number would rebuild the engine.
    """
    if set(args) != {"llm_config"}:
        raise ValueError(f"the engine takes llm_config and nothing else, not {sorted(args)}")
    from ray.serve.llm import LLMConfig, build_llm_deployment

    from .server import Engine

    return build_llm_deployment(
        LLMConfig(**args["llm_config"]), deployment_cls=Engine, override_serve_options={"name": "engine"}
    )
