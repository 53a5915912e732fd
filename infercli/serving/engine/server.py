"""The engine's deployment. Needs ray[llm] and vLLM, so only processes of Ray import it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator

from ray.llm._internal.serve.engines.vllm import vllm_models
from ray.serve.llm import LLMConfig
from ray.serve.llm.deployment import LLMServer

from . import asgi, root_cause

logger = logging.getLogger("ray.serve")

# Ray chooses "mp" on a CPU, and an argument cannot say otherwise (Ray 2.60): a worker process of its
# own talks to the engine through shared memory that both poll with sched_yield: on two cores that starved everything
# else (a command with 0.3 s of work took 7 s) and held half a GiB more. "uni" runs the worker in the engine's process.
vllm_models.EXECUTOR_BACKEND_MP = "uni"

INTERVAL_MS = 50  # Ray's own default of stream_batching_interval_ms: 20 pieces a second read as fluent text


class Engine(LLMServer):
    """One replica."""

    async def __init__(self, llm_config: LLMConfig) -> None:
        written = {descriptor: root_cause.size(descriptor) for descriptor in (2, 1)}
        try:
            await super().__init__(llm_config)
        except Exception as error:  # noqa: BLE001 - any of them means that there is no engine
            texts = [root_cause.printed(descriptor, since) for descriptor, since in written.items()]
            cause = root_cause.find("\n".join(texts)) or f"{type(error).__name__}: {error}"[: root_cause.LINE_CHARS]
            # Serve keeps the end of the message, so nothing may follow the cause.
            raise RuntimeError(f"engine start failed: {cause}") from None
        interval_ms = llm_config.experimental_configs.get("stream_batching_interval_ms")
        self._interval_s = (INTERVAL_MS if interval_ms is None else interval_ms) / 1000
        self._count_for_metrics()
        # vLLM's routes, and GET /v1/models/{id} which Ray adds to them.
        self._app = await self.__serve_build_asgi_app__()
        await self._warm_up(llm_config.model_id)

    async def http(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> AsyncIterator[tuple[int, str, bytes] | bytes]:
        """Answer a request: (status, content type, first bytes), then bytes. A caller that leaves cancels the work."""
        async for piece in asgi.answer(self._app, asgi.scope_of(method, path, headers), body, self._interval_s):
            yield piece

    def _count_for_metrics(self) -> None:
        """Let vLLM count for its own /metrics too: Ray tells it to count for Ray's exporter only.

        A benchmark compares its token counts with these. Where vLLM has changed, /metrics lacks the engine's series.
        """
        try:
            from vllm.v1.metrics.loggers import PrometheusStatLogger

            client = self.engine._engine_client  # noqa: SLF001 - neither Ray nor vLLM offers another way
            manager = client.logger_manager
            counter = PrometheusStatLogger(client.vllm_config, manager.engine_indexes)
            counter.log_engine_initialized()
            manager.stat_loggers.append(counter)
        except Exception:
            logger.exception("engine: /metrics will lack vLLM's own series")

    async def _warm_up(self, model_id: str) -> None:
        """Ask for one token: the first chat compiles the template and imports for some 10 s. It may be refused."""
        ask = {"model": model_id, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        try:
            scope = asgi.scope_of("POST", "/v1/chat/completions", {"content-type": "application/json"})
            async for _ in asgi.answer(self._app, scope, json.dumps(ask).encode(), self._interval_s):
                pass
        except Exception:
            logger.exception("engine: the first chat will be slow, its rehearsal failed")
