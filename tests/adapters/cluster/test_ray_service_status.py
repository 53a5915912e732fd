from __future__ import annotations

import pytest

from infercli.adapters.cluster.ray_service_status import unreached

PREFIX = "Failed to update serve applications to the RayCluster prod/chat: fail to create / update Serve applications. "


@pytest.mark.parametrize(
    "cause",
    [
        'err: Put "https://127.0.0.1:45521/api/v1/namespaces/prod/services/chat:dashboard/proxy/": unexpected EOF',
        'err: Put "http://chat-head-svc.prod.svc:8265/api/serve/applications/": dial tcp 10.0.0.7:8265: refused',
        'err: Get "http://chat-head-svc.prod.svc:8265/api/version": context deadline exceeded',
    ],
)
def test_a_call_that_got_no_answer_is_no_refusal_of_the_config(cause):
    assert unreached(PREFIX + cause)


@pytest.mark.parametrize(
    "cause",
    [
        "err: UpdateDeployments fail: 400 Bad Request Put failed: 1 validation error for ServeDeploySchema",
        'err: UpdateDeployments fail: 500 Internal Server Error "applications": duplicate name',
        "spec.serveConfigV2: invalid",
    ],
)
def test_what_ray_or_the_operator_refuse_is_a_refusal(cause):
    assert not unreached(PREFIX + cause)
