"""The keys of the local front, and what is made of the answers of Ray's REST API. The real Ray is in tests/e2e."""

from __future__ import annotations

import json

import pytest

from infercli.adapters.local.platform import LocalPlatform, last_port
from infercli.adapters.local.ray import LocalRay
from infercli.core.release.observed import Answer
from infercli.errors import EndpointError, RayError
from tests.core.builders import entry


@pytest.fixture
def keys_after(tmp_path, monkeypatch):
    """The API keys of the front after `prepare`, with the key that was given, if one was."""
    monkeypatch.setattr(LocalRay, "ensure", lambda *_: None)
    keys = tmp_path / "keys" / "api-keys"

    def prepare(given=None):
        LocalPlatform(tmp_path, 8000, {}, given).prepare(entry(1).revision)
        assert keys.stat().st_mode & 0o077 == 0
        return keys.read_text()

    return prepare


def test_a_key_is_made_once_and_stays(keys_after):
    made = keys_after()
    assert len(made.strip()) == 32
    assert keys_after() == made


def test_a_key_that_is_given_takes_nobody_elses_away(keys_after):
    assert keys_after("team-a") == "team-a\n"
    assert keys_after("team-b") == "team-a\nteam-b\n"
    assert keys_after("team-a") == "team-a\nteam-b\n"
    assert keys_after() == "team-a\nteam-b\n"


def test_a_key_that_is_given_comes_after_what_somebody_wrote_by_hand(keys_after, tmp_path):
    keys_after("team-a")
    (tmp_path / "keys" / "api-keys").write_text("team-a\nteam-b")
    assert keys_after("team-c") == "team-a\nteam-b\nteam-c\n"


def test_clients_on_this_machine_are_given_the_first_key(keys_after, tmp_path):
    assert LocalPlatform(tmp_path, 8000, {}).client_key() is None
    keys_after("team-a")
    keys_after("team-b")
    assert LocalPlatform(tmp_path, 8000, {}).client_key() == "team-a"


@pytest.fixture
def answering(tmp_path, monkeypatch):
    """A platform whose Ray answers every call with what it is given."""

    def platform(answer):
        def rest(_ray, _method, _path, **_):
            if isinstance(answer, Exception):
                raise answer
            return answer if isinstance(answer, Answer) else Answer(200, {}, json.dumps(answer).encode())

        monkeypatch.setattr(LocalRay, "rest", rest)
        return LocalPlatform(tmp_path, 8000, {})

    return platform


def test_the_applications_of_ray_are_told_with_the_messages_of_their_deployments(answering):
    deployments = {"engine": {"message": "taken more than 30s"}, "other": {"message": ""}}
    failed = {"status": "DEPLOY_FAILED", "message": "no room", "deployments": deployments}
    seen = answering({"applications": {"": {"status": "RUNNING"}, "chat-1": failed}}).applications()
    assert set(seen.apps) == {"chat-1"}  # Ray's own has no name
    assert seen.apps["chat-1"] == ("DEPLOY_FAILED", "no room", ("taken more than 30s",))
    assert seen.accepted


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(500, {}, b"Traceback\nValueError: no such thing\n\n"), "HTTP 500: ValueError: no such thing"),
        (Answer(200, {}, b"<html>not Ray</html>"), "HTTP 200: <html>not Ray</html>"),
        (Answer(200, {}, b"[]"), r"HTTP 200: \[\]"),
        (EndpointError("http://127.0.0.1:1 cannot be reached"), "Ray's REST API: .* cannot be reached"),
    ],
)
def test_what_is_no_answer_of_ray_is_an_error_of_ray(answering, answer, words):
    with pytest.raises(RayError, match=words) as failed:
        answering(answer).applications()
    assert failed.value.hint == "`infercli local status`"


def test_a_config_that_ray_refuses_is_not_remembered_as_the_last(answering, tmp_path):
    config = {"http_options": {"port": 8123}}
    with pytest.raises(RayError, match="refused the Serve config: port in use"):
        answering(Answer(500, {}, b"ValueError\nport in use")).put(entry(1).revision, config)
    assert last_port(tmp_path) is None
    answering({}).put(entry(1).revision, config)
    assert last_port(tmp_path) == 8123


def test_the_config_is_put_together_from_what_ray_says_of_each_application(answering, monkeypatch):
    monkeypatch.setattr(LocalRay, "running", lambda _: True)
    apps = {"front": {"deployed_app_config": {"name": "front"}}, "": {"deployed_app_config": None}}
    details = {"proxy_location": "EveryNode", "http_options": {"port": 1}, "deploy_mode": "x", "applications": apps}
    monkeypatch.setattr(LocalPlatform, "__init__", lambda self, home, *_: setattr(self, "ray", LocalRay(home)))
    held = {"proxy_location": "EveryNode", "http_options": {"port": 1}, "applications": [{"name": "front"}]}
    assert answering(details).config() == held
    assert answering({"applications": {}}).config() is None
    monkeypatch.setattr(LocalRay, "running", lambda _: None)
    assert answering(details).config() is None
