from __future__ import annotations

import pytest

from infercli.core.bench.failures import LONGEST, first_messages, without_secrets
from tests.core.results import stage, trace


def test_the_first_message_of_each_kind_over_all_levels():
    def failed(kind, message, **more):
        return trace(0.0, error=kind, message=message, ended_s=0.1, **more)

    one = stage([trace(0.0, (1.0,)), failed("http", "slow down", status=429), failed("http", "boom", status=500)])
    two = stage([failed("http", "later", status=500), failed("timeout", None), failed("connect", "refused")])
    assert first_messages([one, two]) == {"http 429": "slow down", "http 500": "boom", "connect": "refused"}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Incorrect API key provided: sk-proj-1a2B3c4d.", "Incorrect API key provided: ***."),
        ("token hf_aBcDeFgHiJ is not valid", "token *** is not valid"),
        ("no such header: Authorization: Bearer abc.def", "no such header: Authorization: Bearer ***"),
        ("cannot reach http://me:pass@10.0.0.1/x", "cannot reach http://***10.0.0.1/x"),
        ("key 0123456789abcdef0123456789abcdef", "key ***"),
        ("The model `Meta-Llama-3-70B-Instruct-FP8-dynamic` does not exist.", None),
        ("CUDA error: an illegal memory access", None),
    ],
)
def test_what_looks_secret_is_not_shown_and_names_of_models_are(message, shown):
    assert without_secrets(message) == (shown or message)


def test_a_long_message_is_shortened():
    assert len(without_secrets("word " * 100)) <= LONGEST
