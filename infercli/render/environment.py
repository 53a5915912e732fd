"""Environment variables of the Ray containers: the same on every pod, since Ray may place any process anywhere.

They stand in the pod template, where every change builds a new Ray cluster: nothing here depends on the engine.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.render.names import CACHE_DIR

DRAIN_S = 120
"""Seconds that Ray 2.60 waits for its work to end when a pod is told to stop (its default, 30, is also Kubernetes'
default grace: the pod would be killed as the drain ends). An engine that is replaced in place does not pass here, and
may take `graceful_shutdown_timeout_s`. A cluster that is deleted holds its GPUs this long."""

GRACE_S = DRAIN_S + 60
"""terminationGracePeriodSeconds: the drain, and time for Ray to stop its processes."""


def environment() -> list[dict[str, Json]]:
    """As the containers take it, sorted by name."""
    variables = {
        # Nothing is sent to anybody, and no prompt is written to a log (Ray's default writes them).
        "DO_NOT_TRACK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAYLLM_ENABLE_REQUEST_PROMPT_LOGS": "0",
        "VLLM_NO_USAGE_STATS": "1",
        # The weights are mounted: a look at the Hub could only find others.
        "HF_HUB_OFFLINE": "1",
        # One request may ask for this many sequences; vLLM's own limit is 16384 (CVE-2026-9540's kind of request).
        "VLLM_MAX_N_SEQUENCES": "64",
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": str(DRAIN_S),
        # The pod's user may not be the one that owns the image's home directory.
        "HOME": CACHE_DIR,
        "XDG_CACHE_HOME": f"{CACHE_DIR}/xdg",
        "HF_HOME": f"{CACHE_DIR}/huggingface",
        "VLLM_CACHE_ROOT": f"{CACHE_DIR}/vllm",
        "TRITON_CACHE_DIR": f"{CACHE_DIR}/triton",
        "TORCHINDUCTOR_CACHE_DIR": f"{CACHE_DIR}/inductor",
        "FLASHINFER_WORKSPACE_BASE": CACHE_DIR,
    }
    return [{"name": name, "value": variables[name]} for name in sorted(variables)]
