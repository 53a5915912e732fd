"""The test server is a Hub to huggingface_hub itself: what it stands in for is what the client asks of the real one."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RemoteEntryNotFoundError, RevisionNotFoundError

from tests.parts.hub_server import READER, STRANGER, HubServer

TENSORS = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer/vocab.txt": b"a\nb\n",
    "model.safetensors": struct.pack("<Q", len(TENSORS)) + TENSORS + bytes(8),
}


@pytest.fixture(params=[False, True], ids=["direct", "through a CDN"])
def hub(request, tmp_path: Path):
    with HubServer(tmp_path, cdn=request.param) as server:
        server.commit("org/tiny", FILES)
        yield server


def test_the_clients_snapshot_is_the_files_of_the_commit(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.models["org/tiny"].refs["main"]
    path = HfApi(hub.endpoint, token=READER).snapshot_download("org/tiny", cache_dir=tmp_path / "cache")
    assert Path(path).name == commit
    assert {name: (Path(path) / name).read_bytes() for name in FILES} == FILES


def test_the_client_reads_the_safetensors_header_by_a_range(hub: HubServer) -> None:
    metadata = HfApi(hub.endpoint, token=False).get_safetensors_metadata("org/tiny")
    assert metadata.parameter_count == {"F32": 2}


def test_metadata_has_gits_sha1_of_plain_files_and_the_sha256_of_lfs_files(hub: HubServer, tmp_path: Path) -> None:
    info = HfApi(hub.endpoint, token=False).model_info("org/tiny", files_metadata=True)
    siblings = {s.rfilename: s for s in info.siblings}
    (tmp_path / "config.json").write_bytes(FILES["config.json"])
    git = subprocess.run(["git", "hash-object", tmp_path / "config.json"], capture_output=True, text=True, check=True)
    assert siblings["config.json"].blob_id == git.stdout.strip()
    assert siblings["config.json"].lfs is None
    assert siblings["model.safetensors"].lfs.sha256 == hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    assert siblings["model.safetensors"].lfs.size == len(FILES["model.safetensors"])


def test_refusals_are_the_clients_own_exceptions(hub: HubServer, tmp_path: Path) -> None:
    api = HfApi(hub.endpoint, token=STRANGER)
    with pytest.raises(RevisionNotFoundError):
        api.model_info("org/tiny", revision="v9")
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download("org/tiny", "nothing.json", cache_dir=tmp_path)
    hub.models["org/tiny"].gated = "manual"
    assert api.model_info("org/tiny").gated == "manual"  # gated models are listed for all
    with pytest.raises(GatedRepoError):
        api.auth_check("org/tiny")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        HfApi(hub.endpoint, token="hf_unknown").model_info("org/tiny")
