"""A user's folder with deployment.yaml and its lock, and infercli run in it as that user types it.

What the product says of the cluster is checked through `plane.api` and kubectl, which are not the product's.
"""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from infercli.cli import main
from tests.cluster.control_plane import ControlPlane

IMAGE = "registry.example/ray-vllm@sha256:" + "1" * 64
OTHER_IMAGE = "registry.example/ray-vllm@sha256:" + "2" * 64
NO_SUCH_IMAGE = "registry.example/no-such@sha256:" + "3" * 64

QUANTIZED = {
    "awq": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"},
    "fp8": {"quant_method": "fp8", "activation_scheme": "static"},
    "gptq": {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True},
}
"""What a checkpoint of each kind says of itself."""

SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
}

CLAIM = """\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {namespace}}}
spec:
  capacity: {{storage: 100Gi}}
  accessModes: [ReadOnlyMany]
  storageClassName: ""
  hostPath: {{path: /nowhere}}
  claimRef: {{namespace: {namespace}, name: models}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: models, namespace: {namespace}}}
spec:
  accessModes: [ReadOnlyMany]
  storageClassName: ""
  volumeName: {namespace}
  resources: {{requests: {{storage: 1Gi}}}}
"""


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Project:
    """A folder, a cluster, a namespace."""

    plane: ControlPlane
    namespace: str
    folder: Path
    capsys: pytest.CaptureFixture[str]
    environment: pytest.MonkeyPatch
    deployment: dict[str, Any] = field(default_factory=dict)

    def write(self, quantization: str = "awq", **changes: Any) -> None:
        """deployment.yaml for a model of that kind; `kubernetes` and all else as given."""
        kubernetes = {"namespace": self.namespace, "image": IMAGE, **changes.pop("kubernetes", {})}
        self.deployment = {
            "apiVersion": "infercli/v1",
            "kind": "ModelDeployment",
            "name": "chat",
            "model": f"example/llama-{quantization}",
            "served_model_name": "chat",
            "profile": "l4-x4",
            "kubernetes": kubernetes,
            **changes,
        }
        (self.folder / "deployment.yaml").write_text(yaml.safe_dump(self.deployment))

    def lock(self) -> None:
        models = [
            {
                "id": f"example/llama-{name}",
                "source": "hub",
                "requested_revision": "main",
                "commit": f"{place:040}",
                "files": [{"path": "model.safetensors", "size_bytes": 5_730_000_000, "sha256": f"{place:064}"}],
                "config": SHAPE,
                "quantization_config": config,
                "license": "llama3.1",
            }
            for place, (name, config) in enumerate(QUANTIZED.items(), 1)
        ]
        text = yaml.safe_dump({"apiVersion": "infercli/v1", "kind": "ModelLock", "lock_version": 1, "models": models})
        (self.folder / "models.lock.yaml").write_text(text)

    def provide(self) -> None:
        """The claim and the keys, which are the user's to make."""
        done = self.plane.kubectl("apply", "-f", "-", stdin=CLAIM.format(namespace=self.namespace))
        assert done.returncode == 0, done.stderr
        words = ("create", "secret", "generic", "chat-keys", "-n", self.namespace)
        done = self.plane.kubectl(*words, "--from-literal=api-keys=key-1", "--from-literal=operator-token=token-1")
        assert done.returncode == 0, done.stderr

    def act_as(self, user: str) -> None:
        self.environment.setenv("KUBECONFIG", str(self.plane.kubeconfig(user)))

    def infercli(self, *words: str) -> Said:
        self.capsys.readouterr()
        code = main.invoke(list(words))
        out, err = self.capsys.readouterr()
        return Said(int(code), out, err)

    def done(self, *words: str) -> Said:
        """A command that must succeed."""
        said = self.infercli(*words)
        assert said.code == 0, said.err + said.out
        return said

    # What the cluster has, without the product

    def get(self, path: str) -> Any:
        return self.plane.api.get(path.format(namespace=self.namespace))

    def ray_service(self) -> Any:
        return self.get("/apis/ray.io/v1/namespaces/{namespace}/rayservices/chat")

    def serve_config(self) -> Any:
        return yaml.safe_load(self.ray_service()["spec"]["serveConfigV2"])

    def weights(self) -> dict[str, int]:
        front = next(a for a in self.serve_config()["applications"] if a["name"] == "front")
        return {route["app"]: route["weight"] for route in front["deployments"][0]["user_config"]["routes"]}

    def revisions(self) -> list[dict[str, Any]]:
        """Each revision Secret's content and what became of it, decoded by hand."""
        found = []
        for secret in self.get("/api/v1/namespaces/{namespace}/secrets")["items"]:
            if secret["type"] == "infercli/release.v1":
                revision = json.loads(gzip.decompress(base64.b64decode(secret["data"]["revision"])))
                progress = json.loads(secret["metadata"]["annotations"]["infercli.dev/progress"])
                found.append({"revision": revision, "progress": progress, "secret": secret})
        return sorted(found, key=lambda r: r["revision"]["number"])


@pytest.fixture
def project(
    control_plane: ControlPlane,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Project:
    """A folder with a deployment and its lock; the user is `admin` until the test says otherwise."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("NO_COLOR", "1")
    made = Project(control_plane, namespace, folder, capsys, monkeypatch)
    made.act_as("admin")
    made.lock()
    made.write()
    return made
