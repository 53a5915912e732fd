from __future__ import annotations

import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infercli.serving.front.rules import (
    FORWARDED,
    Route,
    Secrets,
    Table,
    allowed,
    choose,
    own,
    parse_table,
    path_label,
    same_secret,
)

OLD_AND_NEW = Table(7, (Route("old", 90), Route("new", 10), Route("checked", 0)))


def test_a_table_is_read_as_it_was_written():
    config = {"generation": 3, "routes": [{"app": "a", "weight": 2}, {"app": "b", "weight": 0, "shadow": 0.5}]}
    assert parse_table(config) == Table(3, (Route("a", 2, 0.0), Route("b", 0, 0.5)))
    assert parse_table({"generation": 0, "routes": []}) == Table(0, ())


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "user_config"),
        ([], "user_config"),
        ({"routes": []}, "generation"),
        ({"generation": -1, "routes": []}, "generation"),
        ({"generation": True, "routes": []}, "generation"),
        ({"generation": "4", "routes": []}, "generation"),
        ({"generation": 1}, "routes must be a list"),
        ({"generation": 1, "routes": {}}, "routes must be a list"),
        ({"generation": 1, "routes": ["a"]}, r"routes\[0\]"),
        ({"generation": 1, "routes": [{"app": "a"}, {"weight": 1}]}, r"routes\[1\]\.app"),
        ({"generation": 1, "routes": [{"app": ""}]}, r"routes\[0\]\.app"),
        ({"generation": 1, "routes": [{"app": "a", "weight": -1}]}, "weight"),
        ({"generation": 1, "routes": [{"app": "a", "weight": 0.5}]}, "weight"),
        ({"generation": 1, "routes": [{"app": "a", "weight": True}]}, "weight"),
        ({"generation": 1, "routes": [{"app": "a", "shadow": 1.5}]}, "shadow"),
        ({"generation": 1, "routes": [{"app": "a", "shadow": "0.5"}]}, "shadow"),
        ({"generation": 1, "routes": [{"app": "a", "wieght": 1}]}, r"routes\[0\] must be"),
        ({"generation": 1, "routes": [{"app": "a"}, {"app": "a"}]}, "twice"),
    ],
)
def test_what_is_no_table_is_refused_by_name(config, said):
    with pytest.raises(ValueError, match=said):
        parse_table(config)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=12,
    )
)
def test_a_table_from_anything_is_a_table_or_a_value_error(config):
    with contextlib.suppress(ValueError):
        assert isinstance(parse_table(config), Table)


def test_whoever_gets_requests_or_copies_of_them_is_needed():
    routes = [{"app": "a", "weight": 2}, {"app": "b", "shadow": 0.5}, {"app": "c"}]
    assert parse_table({"generation": 3, "routes": routes}).needed() == ["a", "b"]


def test_weights_divide_the_line_from_0_to_1_in_the_order_of_the_routes():
    # 90 of 100: everything below 0.9 is the old one's.
    assert choose(OLD_AND_NEW, 0.0) == "old"
    assert choose(OLD_AND_NEW, 0.8999) == "old"
    assert choose(OLD_AND_NEW, 0.9) == "new"
    assert choose(OLD_AND_NEW, 0.9999) == "new"


def test_an_engine_of_weight_0_is_never_chosen():
    table = Table(1, (Route("a", 0), Route("b", 1), Route("c", 0)))
    assert {choose(table, point / 100) for point in range(100)} == {"b"}
    assert choose(Table(1, (Route("a", 0),)), 0.0) is None
    assert choose(Table(), 0.0) is None


def test_a_refused_engine_is_chosen_only_where_no_other_is_left():
    assert choose(OLD_AND_NEW, 0.1, refused={"old"}) == "new"
    assert choose(OLD_AND_NEW, 0.95, refused={"old", "new"}) == "new"
    assert choose(OLD_AND_NEW, 0.95, refused={"new"}, failed={"old"}) == "new"


def test_an_engine_that_failed_this_request_is_not_chosen_again():
    assert choose(OLD_AND_NEW, 0.1, failed={"old"}) == "new"
    assert choose(OLD_AND_NEW, 0.1, failed={"old", "new"}) is None


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6), st.floats(0, 1, exclude_max=True))
def test_some_engine_is_chosen_whenever_one_has_weight(weights, point):
    table = Table(1, tuple(Route(f"e{index}", weight) for index, weight in enumerate(weights)))
    app = choose(table, point)
    assert (app is None) == (sum(weights) == 0)
    assert app is None or weights[int(app[1:])] > 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/score"),
        ("POST", "/tokenize"),
        ("POST", "/detokenize"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/meta-llama/Llama-3.1-8B-Instruct"),
    ],
)
def test_the_paths_of_the_list_are_allowed(method, path):
    assert allowed(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("DELETE", "/v1/models/x"),
        ("POST", "/v1/models"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "//v1/chat/completions"),
        ("POST", "/v1/load_lora_adapter"),
        ("POST", "/collective_rpc"),
        ("POST", "/sleep"),
        ("POST", "/v1/responses"),
        ("GET", "/metrics"),
        ("GET", "/load"),
        ("GET", "/version"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/a\nb"),
        ("GET", "/v1/models/a?b"),
        ("GET", "/v1/models/../../sleep"),
        ("GET", "/"),
    ],
)
def test_every_other_path_is_not(method, path):
    assert not allowed(method, path)


def test_an_operator_who_names_an_engine_may_read_its_metrics_and_nothing_more():
    assert allowed("GET", "/metrics", operator_pin=True)
    assert allowed("GET", "/load", operator_pin=True)
    assert not allowed("POST", "/metrics", operator_pin=True)
    assert not allowed("POST", "/sleep", operator_pin=True)


def test_invented_paths_share_one_label():
    assert path_label("/v1/completions") == "/v1/completions"
    assert path_label("/v1/models/anything") == "/v1/models"
    assert path_label("/v1/anything") == path_label("/%2e") == "other"


def test_no_credential_is_among_the_headers_that_engines_get():
    assert not {"authorization", "cookie", "x-api-key", "x-infercli-operator-token", "x-infercli-engine"} & {*FORWARDED}


def test_a_secret_is_one_of_the_lines_and_nothing_less():
    secrets = (b"sk-first", b"sk-second", "sk-\u00fc".encode())
    assert same_secret("sk-first", secrets)
    assert same_secret("sk-second", secrets)
    assert same_secret("sk-\u00fc".encode().decode("latin-1"), secrets)  # as the header arrives
    for wrong in ("", "sk-", "sk-firs", "sk-first ", "sk-firstsk-second", "SK-FIRST", "sk-\u4e2d"):
        assert not same_secret(wrong, secrets)
    assert not same_secret("", ())


def test_every_secret_is_compared_whichever_matches(monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append(b) or a == b)
    assert same_secret("first", (b"first", b"second"))
    assert compared == [b"first", b"second"]


def test_secrets_are_the_lines_of_the_file_without_blank_ones(tmp_path):
    (tmp_path / "keys").write_bytes(b"one\n\n  two \r\nthree")
    assert Secrets(tmp_path / "keys").lines() == (b"one", b"two", b"three")


def test_a_file_that_is_missing_or_empty_has_no_secrets(tmp_path):
    assert Secrets(tmp_path / "keys").lines() == ()
    (tmp_path / "keys").write_bytes(b"\n\n")
    assert Secrets(tmp_path / "keys").lines() == ()
    assert Secrets(tmp_path).lines() == ()


def test_secrets_follow_their_file(tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(b"old\n")
    secrets = Secrets(path)
    assert secrets.lines() == (b"old",)
    path.write_bytes(b"newer\n")
    assert secrets.lines() == (b"newer",)
    path.unlink()
    assert secrets.lines() == ()
    path.write_bytes(b"newer\n")
    assert secrets.lines() == (b"newer",)


def test_secrets_follow_the_link_that_a_secret_volume_swaps(tmp_path):
    # Kubernetes writes the new files beside the old ones, then renames a link over `..data`.
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys").write_text(name[:5])
        os.utime(tmp_path / name / "keys", (1, 1))
    (tmp_path / "..data").symlink_to("first")
    secrets = Secrets(tmp_path / "..data" / "keys")
    assert secrets.lines() == (b"first",)
    (tmp_path / "new").symlink_to("second")
    (tmp_path / "new").rename(tmp_path / "..data")
    assert secrets.lines() == (b"secon",)  # of the same size and time: only the inode tells


def test_the_fronts_own_pages_are_read_and_asked_for_their_head_alone():
    assert all(own(method, path) for method in ("GET", "HEAD") for path in ("/health", "/front"))
    assert not own("POST", "/health")
    assert not own("HEAD", "/v1/models")
