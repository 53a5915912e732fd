"""The stand-in for Ray Serve shows what the real one was seen to show, in the same order."""

from __future__ import annotations

import pytest

from tests.cluster.standin.serve import Fault, RejectedError, Serve, Timing

TIMING = Timing(start_s=10, slow_s=30, flip_s=1, drain_s=5)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Ray:
    """A Serve whose time and workers the test sets."""

    def __init__(self, *faults: Fault) -> None:
        self.clock, self.workers = Clock(), True
        self.serve = Serve(self.clock, lambda: self.workers, TIMING, faults)

    def put(self, *engines: str, routes: dict[str, int], generation: int = 1, fronts: int = 1) -> None:
        table = [{"app": app, "weight": weight, "shadow": 0.0} for app, weight in routes.items()]
        user_config = {"generation": generation, "routes": table}
        front = {
            "name": "front",
            "route_prefix": "/",
            "import_path": "infercli_front:build",
            "args": {"keys_dir": "/keys"},
            "deployments": [{"name": "front", "num_replicas": fronts, "user_config": user_config}],
        }
        self.serve.put({"applications": [front, *(engine(name) for name in engines)]})

    def after(self, seconds: float) -> dict[str, str]:
        """The statuses that much later."""
        self.clock.now += seconds
        return {name: app["status"] for name, app in self.serve.applications().items()}


def engine(name: str) -> dict:
    return {"name": name, "route_prefix": None, "args": {"name": name}, "deployments": [{"name": "engine"}]}


def test_an_application_deploys_and_then_runs():
    ray = Ray()
    ray.put("a", routes={"a": 1})
    assert ray.after(9.9) == {"front": "DEPLOYING", "a": "DEPLOYING"}
    assert ray.after(0.2) == {"front": "RUNNING", "a": "RUNNING"}


def test_an_engine_that_is_added_leaves_the_others_running():
    ray = Ray()
    ray.put("a", routes={"a": 1})
    ray.after(20)
    ray.put("a", "b", routes={"a": 1, "b": 0}, generation=2)
    assert ray.after(5) == {"front": "RUNNING", "a": "RUNNING", "b": "DEPLOYING"}
    assert ray.after(6)["b"] == "RUNNING"


def test_a_constructor_that_raises_is_tried_three_times_and_then_given_up():
    ray = Ray(Fault("b", "fails", "ValueError: no such dtype"))
    ray.put("b", routes={"b": 0})
    said = []
    for _ in range(4):
        status = ray.after(9)["b"]
        said.append((status, ray.serve.applications()["b"]["deployments"]["engine"]["message"]))
    assert [status for status, _ in said] == ["DEPLOYING", "DEPLOYING", "DEPLOYING", "DEPLOY_FAILED"]
    assert said[0][1] == ""
    assert said[1][1].startswith("A replica failed to start with exception. Retrying 2 more time(s). Error:\n")
    assert said[2][1].startswith("A replica failed to start with exception. Retrying 1 more time(s).")
    assert said[3][1].startswith("The deployment failed to start 3 times in a row.")
    assert all("ValueError: no such dtype" in message for _, message in said[1:])


def test_a_fault_that_is_taken_back_does_not_heal_what_has_failed():
    ray = Ray(Fault("b", "fails"))
    ray.put("b", routes={"b": 0})
    ray.after(40)
    ray.serve.faults = []
    assert ray.after(1)["b"] == "DEPLOY_FAILED"


def test_an_engine_without_workers_deploys_until_they_come_and_serve_says_why():
    ray = Ray()
    ray.workers = False
    ray.put("a", routes={"a": 1})
    assert ray.after(31)["a"] == "DEPLOYING"
    message = ray.serve.applications()["a"]["deployments"]["engine"]["message"]
    assert "'engine' in application 'a' has 1 replicas that have taken more than 30s to be scheduled" in message
    ray.workers = True
    assert ray.after(0.1)["a"] == "RUNNING"


def test_an_application_that_leaves_is_deleting_and_then_gone():
    ray = Ray()
    ray.put("a", "b", routes={"a": 1, "b": 0})
    ray.after(20)
    ray.put("a", routes={"a": 1}, generation=2)
    assert ray.after(4)["b"] == "DELETING"
    assert set(ray.after(2)) == {"front", "a"}


def test_an_application_that_comes_back_while_it_leaves_starts_anew():
    ray = Ray()
    ray.put("a", "b", routes={"a": 1, "b": 0})
    ray.after(20)
    ray.put("a", routes={"a": 1}, generation=2)
    ray.after(1)
    ray.put("a", "b", routes={"a": 1, "b": 0}, generation=3)
    assert ray.after(5)["b"] == "DEPLOYING"


def test_other_arguments_rebuild_an_application_and_another_table_does_not():
    ray = Ray()
    ray.put("a", "b", routes={"a": 1, "b": 0})
    ray.after(20)
    changed = [engine("a") | {"args": {"name": "a", "more": 1}}, engine("b")]
    front = ray.serve.applications()["front"]["deployed_app_config"]
    ray.serve.put({"applications": [front, *changed]})
    assert ray.after(2) == {"front": "RUNNING", "a": "DEPLOYING", "b": "RUNNING"}


def test_the_same_config_again_changes_nothing():
    ray = Ray()
    ray.put("a", routes={"a": 1})
    ray.after(20)
    ray.put("a", routes={"a": 1})
    assert ray.after(0) == {"front": "RUNNING", "a": "RUNNING"}


def generations(ray: Ray, count: int) -> dict[int, int]:
    """The generation of each front replica, by pid."""
    replicas = [ray.serve.replica() for _ in range(count)]
    return {replica.pid: replica.generation for replica in replicas if replica is not None}


def test_a_new_table_reaches_the_front_replicas_one_after_the_other():
    ray = Ray()
    ray.put("a", "b", routes={"a": 1, "b": 0}, fronts=2)
    ray.after(20)
    assert list(generations(ray, 2).values()) == [1, 1]
    ray.put("a", "b", routes={"a": 0, "b": 1}, generation=2, fronts=2)
    ray.after(0.5)
    assert sorted(generations(ray, 2).values()) == [1, 1]
    ray.after(1)
    assert sorted(generations(ray, 2).values()) == [1, 2]
    ray.after(1)
    assert sorted(generations(ray, 2).values()) == [2, 2]


def test_the_front_refuses_a_table_whose_only_target_does_not_run_and_takes_it_when_that_runs():
    ray = Ray()
    ray.put("a", routes={"a": 1})
    ray.after(20)
    ray.serve.replica()
    ray.put("a", "b", routes={"a": 0, "b": 1}, generation=2)
    ray.after(5)
    replica = ray.serve.replica()
    assert replica is not None
    assert (replica.generation, set(replica.refused)) == (1, {"b"})
    assert ray.serve.choose(replica, None) == "a"
    ray.after(6)
    replica = ray.serve.replica()
    assert replica is not None
    assert (replica.generation, replica.refused, ray.serve.choose(replica, None)) == (2, {}, "b")


def test_a_pin_reaches_an_engine_of_weight_zero_and_none_that_is_not_in_the_table():
    ray = Ray()
    ray.put("a", "b", "c", routes={"a": 1, "b": 0})
    ray.after(20)
    replica = ray.serve.replica()
    assert replica is not None
    assert [ray.serve.choose(replica, pin) for pin in (None, "b", "c")] == ["a", "b", None]


def test_an_unhealthy_engine_no_longer_answers_and_one_that_errs_still_runs():
    ray = Ray()
    ray.put("a", "b", routes={"a": 1, "b": 1})
    ray.after(20)
    ray.serve.faults = [Fault("'a'", "unhealthy"), Fault("'b'", "errors")]
    assert ray.after(0) == {"front": "RUNNING", "a": "UNHEALTHY", "b": "RUNNING"}
    assert [ray.serve.answers(app) for app in "ab"] == [False, True]
    assert ray.serve.errs("b")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"applications": [engine("a"), engine("a")]}, "multiple configs for application a"),
        (
            {"applications": [engine("a") | {"route_prefix": "/"}, engine("b") | {"route_prefix": "/"}]},
            'duplicate applications for route prefix "/"',
        ),
        ({"apps": []}, "Field required"),
    ],
)
def test_a_config_that_serve_would_refuse_is_refused_and_changes_nothing(config, words):
    ray = Ray()
    ray.put("x", routes={"x": 1})
    ray.after(20)
    with pytest.raises(RejectedError, match=words):
        ray.serve.put(config)
    assert ray.after(0) == {"front": "RUNNING", "x": "RUNNING"}
