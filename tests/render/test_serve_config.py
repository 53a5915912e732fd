from __future__ import annotations

import json

import pytest
import yaml

from infercli.render.serve_config import KUBERNETES, llm_config, local_layout, serve_config, serve_config_text
from tests.render.examples import cpu_engine, deployed, engine, front

LOCAL = local_layout("/state/code", "/state/keys", 8123)


def composed(engines, routes=None, generation=3001, layout=KUBERNETES, the_front=None):
    routes = {engines[0].app: 100} if routes is None else routes
    return serve_config(the_front or front(), engines, generation, routes, layout=layout)


def application(config, name):
    (found,) = [a for a in config["applications"] if a["name"] == name]
    return found


def test_the_front_stands_first_and_the_engines_follow_by_name_whatever_order_they_came_in():
    engines = [deployed(engine(max_ongoing_requests=n)) for n in (10, 20, 30)]
    there = composed(engines, {})
    back = composed(engines[::-1], {})
    assert there == back
    assert [a["name"] for a in there["applications"]] == ["front", *sorted(e.app for e in engines)]


def test_only_the_front_has_a_route_of_its_own():
    config = composed([deployed()])
    assert [a["route_prefix"] for a in config["applications"]] == ["/", None]


def test_another_number_of_replicas_changes_no_args():
    # Serve hashes args into the version of the code: a count in there would rebuild every engine.
    one, two = (composed([deployed(replicas=n)]) for n in (1, 2))
    assert [a["args"] for a in one["applications"]] == [a["args"] for a in two["applications"]]
    assert "num_replicas" not in json.dumps([a["args"] for a in one["applications"]])
    assert application(two, deployed().app)["deployments"][0]["num_replicas"] == 2


def test_a_shift_changes_nothing_but_the_user_config_of_the_front():
    a, b = deployed(engine(max_ongoing_requests=10)), deployed(engine(max_ongoing_requests=20))
    before = composed([a, b], {a.app: 100, b.app: 0}, generation=1)
    after = composed([a, b], {a.app: 0, b.app: 100}, generation=2)
    user_configs = [application(c, "front")["deployments"][0].pop("user_config") for c in (before, after)]
    assert before == after
    assert user_configs[0] != user_configs[1]
    assert user_configs[1] == {
        "generation": 2,
        "routes": sorted(
            [{"app": a.app, "weight": 0, "shadow": 0.0}, {"app": b.app, "weight": 100, "shadow": 0.0}],
            key=lambda route: route["app"],
        ),
    }


def test_an_engine_without_a_route_is_still_started():
    a, b = deployed(engine(max_ongoing_requests=10)), deployed(engine(max_ongoing_requests=20))
    config = composed([a, b], {a.app: 100})
    assert application(config, b.app)["deployments"][0]["num_replicas"] == 1


def test_drain_times_and_limits_are_said_and_not_left_to_serve():
    short = deployed(engine(graceful_shutdown_timeout_s=90.5))
    long = deployed(engine(graceful_shutdown_timeout_s=600.0))
    config = composed([short, long], {})
    drains = {a["name"]: a["deployments"][0]["graceful_shutdown_timeout_s"] for a in config["applications"]}
    assert drains == {"front": 600, short.app: 90.5, long.app: 600}
    assert all(a["deployments"][0]["max_ongoing_requests"] > 0 for a in config["applications"])
    # The front says 429 by itself: Serve's limit must never be reached before that.
    assert application(config, "front")["deployments"][0]["max_ongoing_requests"] > 10 * front().max_in_flight


def test_whole_numbers_never_become_floats():
    # 1.0 after KubeRay's Go is 1, and Serve would see other args and rebuild the engine.
    spec = engine(
        engine_args={"gpu_memory_utilization": 1.0, "limit_mm_per_prompt": {"image": 2.0}, "capture": [1.0, 0.5]},
        graceful_shutdown_timeout_s=30.0,
    )
    text = serve_config_text(composed([deployed(spec)]))
    kwargs = application(yaml.safe_load(text), deployed(spec).app)["args"]["llm_config"]["engine_kwargs"]
    assert json.dumps(kwargs, sort_keys=True) == (
        '{"capture": [1, 0.5], "gpu_memory_utilization": 1, "limit_mm_per_prompt": {"image": 2}}'
    )


def test_large_numbers_of_bytes_survive_the_way_through_yaml():
    spec = engine(engine_args={"kv_cache_memory_bytes": 85_899_345_920, "block_size": 16, "enforce_eager": True})
    read = yaml.safe_load(serve_config_text(composed([deployed(spec)])))
    assert read == composed([deployed(spec)])


def test_each_application_finds_its_own_code_by_content():
    config = composed([deployed(engine(code_digest="abcabcabcabc"))], {})
    paths = [a["runtime_env"]["env_vars"]["PYTHONPATH"] for a in config["applications"]]
    assert paths == [
        f"/etc/infercli/code/front-{front().code_digest}.zip",
        "/etc/infercli/code/engine-abcabcabcabc.zip",
    ]
    assert [a["import_path"] for a in config["applications"]] == ["infercli_front:build", "infercli_engine:build"]


def test_the_environment_of_an_engine_reaches_it_and_cannot_hide_its_code():
    spec = cpu_engine().model_copy(update={"environment": {"A": "1", "PYTHONPATH": "/elsewhere"}})
    variables = composed([deployed(spec)], layout=LOCAL)["applications"][1]["runtime_env"]["env_vars"]
    assert variables == {"A": "1", "PYTHONPATH": f"/state/code/engine-{spec.code_digest}.zip"}


def test_on_this_machine_serve_answers_on_loopback_and_a_front_may_run_anywhere():
    config = composed([deployed(cpu_engine())], layout=LOCAL)
    assert config["http_options"] == {"host": "127.0.0.1", "port": 8123}
    assert "ray_actor_options" not in application(config, "front")["deployments"][0]


def test_in_a_cluster_no_front_is_placed_on_a_gpu_pod():
    config = composed([deployed()])
    assert application(config, "front")["deployments"][0]["ray_actor_options"] == {
        "num_cpus": 1,
        "label_selector": {"infercli.dev/group": "!gpu"},
    }


def test_secrets_are_named_by_their_directory_only():
    config = composed([deployed()])
    assert application(config, "front")["args"] == {
        "keys_dir": "/etc/infercli/keys",
        "max_body_bytes": 8_388_608,
        "max_in_flight": 512,
    }


@pytest.mark.parametrize("routes", [{"chat-000000": 100}, {"front": 1}])
def test_a_route_to_an_engine_that_is_not_there_is_refused(routes):
    with pytest.raises(ValueError, match="not in the config"):
        composed([deployed()], routes)


def test_a_weight_below_zero_and_two_engines_of_one_name_are_refused():
    with pytest.raises(ValueError, match="below zero"):
        composed([deployed()], {deployed().app: -1})
    with pytest.raises(ValueError, match="same application name"):
        composed([deployed(), deployed()], {})


def test_the_model_is_loaded_from_its_path_and_answers_to_its_id():
    config = llm_config(engine())
    assert config["model_loading_config"] == {"model_id": "example/llama-8b-awq", "model_source": engine().model_path}
    assert config["accelerator_type"] == "L4"
    assert "placement_group_config" not in config


def test_tensor_parallel_ranks_stay_on_one_node_and_pipeline_stages_may_spread():
    tp = llm_config(engine(gpus=2, engine_args={"tensor_parallel_size": 2}))
    assert tp["placement_group_config"] == {"bundle_per_worker": {"GPU": 1}, "strategy": "STRICT_PACK"}
    pp = llm_config(engine(gpus=16, engine_args={"tensor_parallel_size": 8, "pipeline_parallel_size": 2}))
    assert "placement_group_config" not in pp


def test_a_cpu_engine_asks_for_no_gpu():
    config = llm_config(cpu_engine())
    assert config["accelerator_config"] == {"kind": "cpu"}
    assert config["placement_group_config"] == {"bundles": [{"CPU": 1}]}
    assert "accelerator_type" not in config
