"""The Serve config (serveConfigV2): the front and one application per engine, composed from what should run.

Serve compares what it is given with what it has, and a difference in the wrong place rebuilds an engine. So: counts
stand in `deployments` and never in `args`, whole numbers are ints and never 1.0, and the order is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from infercli.core.documents.plan import EngineSpec, FrontSpec
from infercli.core.record import Json, Record
from infercli.core.release import EngineDeployment
from infercli.render.names import CODE_DIR, KEYS_DIR
from infercli.render.serving_code import Part, module_name, zip_name

FRONT_APP = "front"
FRONT_DEPLOYMENT = "front"
ENGINE_DEPLOYMENT = "engine"

SERVE_PORT = 8000
"""Serve's own default, and what KubeRay's probes and Service expect."""

GROUP_LABEL = "infercli.dev/group"
"""On Ray's nodes (and their pods): which worker group they are of. Ray's own `ray.io/node-group` would do for placing,
but the autoscaler knows only the labels that stand in the group's spec."""

GPU_GROUP = "gpu"
"""The worker group with the accelerators."""

FRONT_MAX_ONGOING_REQUESTS = 100_000
"""Requests. Out of reach on purpose: the front itself says 429 at its limit; Serve would queue without a word."""

FRONT_DRAIN_S = 600
"""Seconds that a front with no engine behind it may take to finish; Ray's own timeout for an LLM request."""


class Layout(Record):
    """Where things lie for Ray's processes, which is all that differs between a pod and this machine."""

    code_dir: str
    """The directory with the zips of the serving code."""
    keys_dir: str
    """The directory with `api-keys` and `operator-token`."""
    http_host: str
    """What Serve's proxy listens on."""
    http_port: int = SERVE_PORT
    front_cpus: float | None = None
    """Ray's logical CPUs per front replica; None leaves what the front's own code asks for."""
    front_avoids_group: str | None = None
    """The worker group on which no front may be placed; None: anywhere. Ray counts a node without the label as fit."""


KUBERNETES = Layout(
    code_dir=CODE_DIR,
    keys_dir=KEYS_DIR,
    http_host="0.0.0.0",  # noqa: S104  # the pod's network is the boundary, and the NetworkPolicy its guard
    front_cpus=1,
    front_avoids_group=GPU_GROUP,
)
"""As the RayService mounts it. A front on a GPU pod could hold the CPU that an engine waits for, and would die with
that pod when the autoscaler takes it away."""


def local_layout(code_dir: str, keys_dir: str, http_port: int) -> Layout:
    """This machine: Serve answers on loopback only."""
    return Layout(code_dir=code_dir, keys_dir=keys_dir, http_host="127.0.0.1", http_port=http_port)


def serve_config(
    front: FrontSpec,
    engines: Sequence[EngineDeployment],
    generation: int,
    routes: Mapping[str, int],
    *,
    layout: Layout,
) -> dict[str, Json]:
    """The whole config, as Serve's REST API and serveConfigV2 take it.

    `routes` is weight by application; an engine with weight 0, or none, serves only who asks for it by name.
    Raises ValueError when a route names an engine that is not there: a request sent to it would wait for ever.
    """
    ordered = sorted(engines, key=lambda e: e.app)
    apps = [e.app for e in ordered]
    if len(set(apps)) != len(apps):
        raise ValueError(f"two engines have the same application name: {apps}")
    if unknown := sorted(set(routes) - set(apps)):
        raise ValueError(f"routes to engines that are not in the config: {unknown}")
    if any(weight < 0 for weight in routes.values()):
        raise ValueError(f"a weight below zero: {dict(routes)}")
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": layout.http_host, "port": layout.http_port},
        "applications": [
            _front_application(front, ordered, generation, routes, layout),
            *(_engine_application(engine, layout) for engine in ordered),
        ],
    }


def serve_config_text(config: dict[str, Json]) -> str:
    """The config as the string that `spec.serveConfigV2` holds: equal configs, equal text."""
    return yaml.safe_dump(config, sort_keys=True, default_flow_style=False, width=10_000)


def _front_application(
    front: FrontSpec, engines: Sequence[EngineDeployment], generation: int, routes: Mapping[str, int], layout: Layout
) -> dict[str, Json]:
    deployment: dict[str, Json] = {
        "name": FRONT_DEPLOYMENT,
        "num_replicas": front.replicas,
        "max_ongoing_requests": FRONT_MAX_ONGOING_REQUESTS,
        # A stream runs through the front as long as its engine lets it.
        "graceful_shutdown_timeout_s": _number(
            max((e.spec.graceful_shutdown_timeout_s for e in engines), default=FRONT_DRAIN_S)
        ),
        # The only thing a shift changes: Serve hands it to the running replicas and restarts nothing.
        "user_config": {
            "generation": generation,
            "routes": [{"app": app, "weight": routes[app], "shadow": 0.0} for app in sorted(routes)],
        },
    }
    if actor_options := _front_actor_options(layout):
        deployment["ray_actor_options"] = actor_options
    return {
        "name": FRONT_APP,
        "route_prefix": "/",
        "import_path": f"{module_name('front')}:build",
        "runtime_env": {"env_vars": _python_path("front", front.code_digest, layout)},
        "args": {
            "keys_dir": layout.keys_dir,
            "max_body_bytes": front.max_body_bytes,
            "max_in_flight": front.max_in_flight,
        },
        "deployments": [deployment],
    }


def _front_actor_options(layout: Layout) -> dict[str, Json]:
    options: dict[str, Json] = {}
    if layout.front_cpus is not None:
        options["num_cpus"] = _number(layout.front_cpus)
    if layout.front_avoids_group is not None:
        options["label_selector"] = {GROUP_LABEL: f"!{layout.front_avoids_group}"}
    return options


def _engine_application(engine: EngineDeployment, layout: Layout) -> dict[str, Json]:
    spec = engine.spec
    return {
        "name": engine.app,
        "route_prefix": None,
        "import_path": f"{module_name('engine')}:build",
        "runtime_env": {"env_vars": {**spec.environment, **_python_path("engine", spec.code_digest, layout)}},
        "args": {"llm_config": llm_config(spec)},
        "deployments": [
            {
                "name": ENGINE_DEPLOYMENT,
                "num_replicas": engine.replicas,
                "max_ongoing_requests": spec.max_ongoing_requests,
                "graceful_shutdown_timeout_s": _number(spec.graceful_shutdown_timeout_s),
            }
        ],
    }


def llm_config(spec: EngineSpec) -> dict[str, Json]:
    """The arguments of Ray's LLMConfig (ray.serve.llm 2.60): what makes the engine, and nothing that only scales it."""
    config: dict[str, Json] = {
        # A path, not a Hub id: Ray reads config.json without a revision, so an id would be `main` of today.
        "model_loading_config": {"model_id": spec.model_id, "model_source": spec.model_path},
        "engine_kwargs": _whole_numbers_as_ints(spec.engine_args),
        "log_engine_metrics": True,
    }
    workers = _parallel(spec, "tensor_parallel_size") * _parallel(spec, "pipeline_parallel_size")
    if spec.accelerator == "cpu":
        config["accelerator_config"] = {"kind": "cpu"}
        config["placement_group_config"] = {"bundles": [{"CPU": 1} for _ in range(workers)]}
        return config
    if spec.accelerator_type is not None:
        config["accelerator_type"] = spec.accelerator_type
    if workers > 1 and _parallel(spec, "pipeline_parallel_size") == 1:
        # Tensor parallel ranks talk at every layer: one node or nothing. Ray's default, PACK, would span two.
        config["placement_group_config"] = {"bundle_per_worker": {"GPU": 1}, "strategy": "STRICT_PACK"}
    return config


def _parallel(spec: EngineSpec, name: str) -> int:
    return int(spec.engine_args.get(name, 1))


def _python_path(part: Part, code_digest: str, layout: Layout) -> dict[str, str]:
    return {"PYTHONPATH": f"{layout.code_dir}/{zip_name(part, code_digest)}"}


def _number(value: float) -> int | float:
    """1.0 -> 1. KubeRay's Go does that on the way to Serve, Python does not, and Serve hashes the text."""
    return int(value) if float(value).is_integer() else value


def _whole_numbers_as_ints(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _whole_numbers_as_ints(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_numbers_as_ints(inner) for inner in value]
    return _number(value) if isinstance(value, float) else value
