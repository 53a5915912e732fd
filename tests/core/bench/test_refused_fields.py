"""Which field a server refused."""

from __future__ import annotations

import pytest

from infercli.core.bench.refused_fields import WITHOUT, refused_field, without

OPENAI = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported."
)
VLLM = (
    "'max_tokens' or 'max_completion_tokens' is too large: 128. This model's maximum context length is 64 tokens and "
    "your request has 70 input tokens (128 > 64 - 70)."
)


@pytest.mark.parametrize(
    ("status", "message", "field"),
    [
        (422, "body: stream_options: Extra inputs are not permitted", "stream_options"),
        (400, OPENAI, "max_tokens"),
        (400, TEMPERATURE, "temperature"),
        (400, VLLM, None),  # another field would not make it shorter
        (400, "Temperature 0 is not SUPPORTED", "temperature"),
        (400, "temperature must be at least 0", None),
        (500, OPENAI, None),
        (400, None, None),
        (None, OPENAI, None),
    ],
)
def test_a_field_that_is_refused_is_told_from_other_faults(status, message, field):
    assert refused_field(status, message) == field


def test_what_is_refused_is_left_out_or_asked_for_by_its_other_name():
    body = {"max_tokens": 5, "temperature": 0.0, "stream_options": {}, "stream": True}
    for field in WITHOUT:
        body = without(body, field)
        assert field not in body
    assert body == {"max_completion_tokens": 5, "stream": True}
    assert without({"stream": True}, "max_tokens") == {"stream": True}
