from __future__ import annotations

from infercli.core.documents.deployment import Kubernetes
from infercli.render.network import shut_out
from infercli.render.objects import static_objects
from tests.render.examples import CODE, IMAGE, plan


def policies(**kubernetes):
    rendered = static_objects(plan(kubernetes=Kubernetes(image=IMAGE, **kubernetes)), "chat-ns", CODE)
    return {o["metadata"]["name"]: o["spec"] for o in rendered if o["kind"] == "NetworkPolicy"}


def admitted(spec, port):
    """The peers of ingress rules for that port, those for all ports left out."""
    return [p for r in spec["ingress"] for p in r["from"] if port in [x["port"] for x in r.get("ports", [])]]


def namespace(name):
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


OWN = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "infercli", "app.kubernetes.io/instance": "chat"}}}


def test_what_no_rule_admits_is_denied_both_ways_for_every_pod_of_the_release():
    spec = policies()["chat"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["podSelector"] == OWN["podSelector"]


def test_pods_of_the_release_reach_one_another_on_every_port():
    spec = policies()["chat"]
    assert {"from": [OWN]} in spec["ingress"]
    assert {"to": [OWN]} in spec["egress"]


def test_clients_come_from_the_gateway_or_else_from_this_namespace_only():
    assert {"podSelector": {}} in admitted(policies()["chat"], 8000)
    through_gateway = admitted(policies(gateway_namespace="gateway")["chat"], 8000)
    assert namespace("gateway") in through_gateway
    assert {"podSelector": {}} not in through_gateway


def test_metrics_are_scraped_from_the_monitoring_namespace_or_by_nobody():
    assert admitted(policies()["chat"], 8080) == []
    assert admitted(policies(monitoring_namespace="monitoring")["chat"], 8080) == [namespace("monitoring")]


def test_the_dashboard_is_open_on_the_head_only_and_for_operator_and_api_server_only():
    spec = policies(api_server_cidrs=("10.1.2.3/32",))
    assert admitted(spec["chat"], 8265) == []
    head = spec["chat.head"]
    assert head["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "head"
    operator, chart, system, api_server = admitted(head, 8265)
    assert operator["podSelector"] == {"matchLabels": {"app.kubernetes.io/component": "kuberay-operator"}}
    assert chart["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "kuberay-operator"}}
    assert system == namespace("kube-system")
    assert api_server == {"ipBlock": {"cidr": "10.1.2.3/32"}}


def test_the_service_proxy_of_the_api_server_reaches_the_front():
    said = admitted(policies(api_server_cidrs=("10.1.2.3/32",))["chat"], 8000)
    assert [p["ipBlock"]["cidr"] for p in said if "ipBlock" in p] == ["10.1.2.3/32"]
    unsaid = [p["ipBlock"]["cidr"] for p in admitted(policies()["chat"], 8000) if "ipBlock" in p]
    assert "10.0.0.0/8" in unsaid
    assert "0.0.0.0/0" not in unsaid


def test_nothing_leaves_but_dns_and_the_autoscalers_requests():
    spec = policies(api_server_cidrs=("10.1.2.3/32",))
    outward = [rule for rule in spec["chat"]["egress"] if rule != {"to": [OWN]}]
    assert [sorted({p["port"] for p in rule["ports"]}) for rule in outward] == [[53], [5353]]
    assert namespace("kube-system") in outward[0]["to"]
    assert outward[1]["to"] == [namespace("openshift-dns")]
    (head,) = spec["chat.head"]["egress"]
    assert head == {
        "to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}],
        "ports": [{"port": port, "protocol": "TCP"} for port in (443, 6443, 16443)],
    }


def test_addresses_that_no_range_admits_are_shut_out():
    assert shut_out(["10.1.2.3", "34.1.2.3"], []) == ["34.1.2.3"]  # private ones are admitted unless others are said
    assert shut_out(["10.1.2.3", "34.1.2.3"], ["34.1.2.0/24"]) == ["10.1.2.3"]
