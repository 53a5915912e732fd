"""The command line of each part of the test control plane, for Kubernetes 1.36.

The one thing to know: everything listens on 127.0.0.1 of a sandbox, where all ports are free, so ports are fixed. Only
the API server's is given, as it must be the same number outside.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.parts.sandbox import POD_NETWORK

LOOPBACK = "127.0.0.1"
ETCD_PORT, ETCD_PEER_PORT = 2379, 2380
CONTROLLER_MANAGER_PORT, SCHEDULER_PORT, KWOK_PORT = 10257, 10259, 10247
OPERATOR_METRICS_PORT, OPERATOR_HEALTH_PORT = 28080, 28082
# It starts after Ray, whose workers listen anywhere from 10002 to 19999; the kernel hands out others from 32768 on.

SERVICE_NETWORK = "10.98.0.0/16"  # never routed: nothing here forwards to a service's address

KWOK_STAGES = Path(__file__).with_name("kwok_stages.yaml")


def etcd(binaries: Path, directory: Path) -> list[str]:
    """Etcd without fsync: a test's data need not survive a power cut, only a killed process."""
    clients, peers = f"http://{LOOPBACK}:{ETCD_PORT}", f"http://{LOOPBACK}:{ETCD_PEER_PORT}"
    return [
        f"{binaries}/etcd",
        f"--data-dir={directory}/etcd",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--log-level=warn",
        "--unsafe-no-fsync",
    ]


def api_server(binaries: Path, directory: Path, port: int) -> list[str]:
    """kube-apiserver with RBAC, a token file, and all admission plugins that are on by default (Pod Security too)."""
    return [
        f"{binaries}/kube-apiserver",
        f"--etcd-servers=http://{LOOPBACK}:{ETCD_PORT}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",  # it would refuse to publish a loopback address as the kubernetes service
        f"--tls-cert-file={directory}/serving.crt",
        f"--tls-private-key-file={directory}/serving.key",
        f"--cert-dir={directory}/apiserver-certs",
        f"--token-auth-file={directory}/tokens.csv",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={directory}/sa.pub",
        f"--service-account-signing-key-file={directory}/sa.key",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--allow-privileged=true",
    ]


def controller_manager(binaries: Path, directory: Path, kubeconfig: Path) -> list[str]:
    """kube-controller-manager: Deployments, Jobs, ServiceAccounts, garbage collection."""
    return [
        f"{binaries}/kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={directory}/sa.key",
        f"--root-ca-file={directory}/ca.crt",
        "--leader-elect=false",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={CONTROLLER_MANAGER_PORT}",
        f"--cert-dir={directory}/controller-manager-certs",
    ]


def scheduler(binaries: Path, directory: Path, kubeconfig: Path) -> list[str]:
    """kube-scheduler."""
    return [
        f"{binaries}/kube-scheduler",
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={SCHEDULER_PORT}",
        f"--cert-dir={directory}/scheduler-certs",
    ]


def kwok(binaries: Path, directory: Path, kubeconfig: Path) -> list[str]:
    """kwok: keeps nodes Ready and moves pods through the stages of kwok_stages.yaml, with addresses of POD_NETWORK.

    As the log of a benchmark's pod it shows the file that job_pods.py writes.
    """
    logs = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "bench"},
        "spec": {"logs": [{"containers": ["bench"], "logsFile": str(bench_log(directory)), "follow": True}]},
    }
    config = directory / "kwok_logs.yaml"
    config.write_text(json.dumps(logs))
    return [
        f"{binaries}/kwok",
        f"--kubeconfig={kubeconfig}",
        "--manage-all-nodes=true",
        f"--cidr={POD_NETWORK}",
        f"--node-ip={LOOPBACK}",
        f"--node-port={KWOK_PORT}",
        f"--server-address={LOOPBACK}:{KWOK_PORT}",  # it would listen on all addresses
        "--node-lease-duration-seconds=40",
        f"--config={KWOK_STAGES}",
        f"--config={config}",
    ]


def bench_log(directory: Path) -> Path:
    """Where the log of a benchmark's pod is: one file, so one such pod at a time."""
    return directory / "bench.log"


def operator(binaries: Path, kubeconfig: Path) -> list[str]:
    """The KubeRay operator, which reaches Ray through the API server's proxy as it runs outside the pods' network."""
    return [
        f"{binaries}/ray-operator",
        f"--kubeconfig={kubeconfig}",
        "--enable-leader-election=false",
        "--use-kubernetes-proxy",
        f"--metrics-addr={LOOPBACK}:{OPERATOR_METRICS_PORT}",
        f"--health-probe-bind-address={LOOPBACK}:{OPERATOR_HEALTH_PORT}",
    ]
