"""What a kubelet does with ConfigMap and Secret volumes, as there is none here: their files, and keeping them on disk.

Run inside the sandbox as `python -m tests.cluster.pod_files KUBECONFIG DIRECTORY`, it writes the files of all pods that
belong to a RayCluster below DIRECTORY, and goes on doing so as they change. The one thing to know: it is one directory
for all pods, as one real Ray plays them all, so one release at a time is what it is good for.
"""

from __future__ import annotations

import base64
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.api import ApiError, KubeApi

PERIOD_S = 0.3  # a kubelet takes up to a minute; the operator sends Ray its config 2 s after the pods are there


def mounted_files(api: KubeApi, namespace: str, pod: Mapping[str, Any]) -> dict[Path, dict[str, bytes]]:
    """The files of a pod spec's ConfigMap and Secret volumes, by mount path and name; none of what does not exist."""
    volumes = {volume["name"]: volume for volume in pod.get("volumes") or []}
    found: dict[Path, dict[str, bytes]] = {}
    for container in pod["containers"]:
        for mount in container.get("volumeMounts") or []:
            volume = volumes[mount["name"]]
            if "configMap" in volume:
                source, path = volume["configMap"], f"configmaps/{volume['configMap']['name']}"
            elif "secret" in volume:
                source, path = volume["secret"], f"secrets/{volume['secret']['secretName']}"
            else:
                continue
            try:
                content = _content(api.get(f"/api/v1/namespaces/{namespace}/{path}"))
            except ApiError as problem:
                if problem.status != 404:
                    raise
                continue
            names = {item["key"]: item["path"] for item in source.get("items") or []} or {key: key for key in content}
            found[Path(mount["mountPath"])] = {names[key]: content[key] for key in names if key in content}
    return found


def _content(item: Mapping[str, Any]) -> dict[str, bytes]:
    """The keys of a ConfigMap or a Secret."""
    encoded = item.get("binaryData") if item["kind"] == "ConfigMap" else item.get("data")
    plain = item.get("data") if item["kind"] == "ConfigMap" else None
    return {
        **{key: base64.b64decode(value) for key, value in (encoded or {}).items()},
        **{key: value.encode() for key, value in (plain or {}).items()},
    }


def write(directory: Path, files: Mapping[Path, Mapping[str, bytes]]) -> None:
    """Writes what differs, each file in one rename: Ray may read it at any moment."""
    for path, contents in files.items():
        below = directory / path.relative_to("/")
        below.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            file = below / name
            if not file.exists() or file.read_bytes() != content:
                staging = below / f".{name}"
                staging.write_bytes(content)
                staging.rename(file)


def main(kubeconfig: Path, directory: Path) -> None:
    """Writes until it is killed."""
    os.umask(0o077)  # there are keys among them
    api = KubeApi(kubeconfig)
    while True:
        try:
            for pod in api.get("/api/v1/pods?labelSelector=ray.io/cluster")["items"]:
                write(directory, mounted_files(api, pod["metadata"]["namespace"], pod["spec"]))
        except (ApiError, OSError) as problem:
            print(f"pod files: {problem}", flush=True)
        time.sleep(PERIOD_S)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
