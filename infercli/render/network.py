"""The NetworkPolicy: nothing in or out of the release's pods but what serving and operating them takes.

A NetworkPolicy cannot name the API server, whose service proxy is how `deploy` reaches the front and Serve without a
way into the pod network. Its address differs by cluster (see `kubectl get endpoints kubernetes`), and some clusters
tunnel through pods in kube-system. So both are admitted: kube-system, and `kubernetes.api_server_cidrs`, which is every
private address while nobody said better; behind it the front asks for its keys and Ray for its token. AKS has it at a
public address (MicrosoftDocs/azure-docs issue 107506), which `infercli doctor` finds and names. Where Cilium
enforces policies, addresses never match the API server: add a CiliumNetworkPolicy with `toEntities: [kube-apiserver]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from infercli.core.record import Json
from infercli.render.names import HEAD, labels, network_policy, selector
from infercli.render.rayservice import DASHBOARD_PORT, METRICS_PORT
from infercli.render.rendering import Rendering
from infercli.render.serve_config import SERVE_PORT

PRIVATE_CIDRS = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""RFC 1918, RFC 6598 (carrier-grade, which EKS and GKE use for pods and control planes), RFC 4193."""

API_SERVER_PORTS = (443, 6443, 16443)
"""Of the API server itself, since a policy is about where a Service leads: managed clusters, kubeadm, MicroK8s (whose
Calico enforces policies: microk8s.io/docs/services-and-ports)."""

NODE_DNS_CIDR = "169.254.20.10/32"
"""NodeLocal DNSCache: where it runs, pods ask this link-local address instead of kube-dns."""

OPENSHIFT_DNS = ("openshift-dns", 5353)
"""Its namespace, and the port behind that of its Service, which is what OVN-Kubernetes compares with a policy
(nmstate/kubernetes-nmstate pull request 1570)."""


def admitted_cidrs(api_server_cidrs: Sequence[str]) -> Sequence[str]:
    """Where the API server may be. `api_server_cidrs`: what the deployment says of it; empty: nothing."""
    return api_server_cidrs or PRIVATE_CIDRS


def shut_out(addresses: Sequence[str], api_server_cidrs: Sequence[str]) -> list[str]:
    """Those of the API server's addresses that a release's policies do not admit."""
    ranges = [ip_network(cidr, strict=False) for cidr in admitted_cidrs(api_server_cidrs)]
    return [address for address in addresses if not any(ip_address(address) in one for one in ranges)]


def network_policies(rendering: Rendering) -> list[dict[str, Json]]:
    """Two: one for all pods, and one more for the head, whose autoscaler talks to the API server."""
    name = rendering.name
    return [
        _policy(rendering, network_policy(name), selector(name), _ingress(rendering), _egress(rendering)),
        _policy(
            rendering,
            network_policy(name, HEAD),
            selector(name, HEAD),
            [_rule("from", [*_operators(), *_api_server(rendering)], DASHBOARD_PORT)],
            [_rule("to", _cidrs(_api_server_cidrs(rendering)), *API_SERVER_PORTS)],
        ),
    ]


def _ingress(rendering: Rendering) -> list[dict[str, Json]]:
    kubernetes = rendering.plan.deployment.kubernetes
    # Clients: the gateway's namespace, else this one. The operator asks the head's proxy for its health.
    clients = _namespace(kubernetes.gateway_namespace) if kubernetes.gateway_namespace else {"podSelector": {}}
    rules = [
        {"from": [_own_pods(rendering)]},
        _rule("from", [clients, *_operators(), *_api_server(rendering)], SERVE_PORT),
    ]
    if kubernetes.monitoring_namespace:
        rules.append(_rule("from", [_namespace(kubernetes.monitoring_namespace)], METRICS_PORT))
    return rules


def _egress(rendering: Rendering) -> list[dict[str, Json]]:
    namespace, port = OPENSHIFT_DNS
    return [
        {"to": [_own_pods(rendering)]},
        _dns([_KUBE_SYSTEM, *_cidrs((NODE_DNS_CIDR,))], 53),
        _dns([_namespace(namespace)], port),
    ]


def _dns(servers: list[dict[str, Json]], port: int) -> dict[str, Json]:
    return {"to": servers, "ports": [{"port": port, "protocol": protocol} for protocol in ("UDP", "TCP")]}


def _policy(
    rendering: Rendering, name: str, pods: dict[str, str], ingress: list[dict[str, Json]], egress: list[dict[str, Json]]
) -> dict[str, Json]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": rendering.metadata(name, labels(rendering.name)),
        "spec": {
            "podSelector": {"matchLabels": pods},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def _rule(direction: str, peers: list[dict[str, Json]], *ports: int) -> dict[str, Json]:
    return {direction: peers, "ports": [{"port": port, "protocol": "TCP"} for port in ports]}


def _own_pods(rendering: Rendering) -> dict[str, Json]:
    # Ray's processes open ports of all numbers among themselves, and across two clusters of one release none is needed;
    # the name of a cluster is made up by KubeRay, so the release is the finest that can be said. A benchmark's pod
    # (bench_job.py) is one of them.
    return {"podSelector": {"matchLabels": selector(rendering.name)}}


def _operators() -> list[dict[str, Json]]:
    """KubeRay's operator, wherever it was installed: by the labels of its Helm chart, and of its kustomization."""
    return [
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/component": "kuberay-operator"}}},
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "kuberay-operator"}}},
    ]


def _api_server(rendering: Rendering) -> list[dict[str, Json]]:
    return [_KUBE_SYSTEM, *_cidrs(_api_server_cidrs(rendering))]


def _api_server_cidrs(rendering: Rendering) -> Sequence[str]:
    return admitted_cidrs(rendering.plan.deployment.kubernetes.api_server_cidrs)


def _cidrs(cidrs: Sequence[str]) -> list[dict[str, Json]]:
    return [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]


def _namespace(name: str) -> dict[str, Json]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


_KUBE_SYSTEM = _namespace("kube-system")
