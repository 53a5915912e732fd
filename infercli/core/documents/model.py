"""The lock: which exact files a model is. Written by `infercli pin`, read by `plan` and `deploy`."""

from typing import Literal

from pydantic import Field

from infercli.core.record import Document, Json, Record, digest


class LockedFile(Record):
    """One file of a model. `sha256` is of the content, also for small files that the Hub keeps outside LFS."""

    path: str
    size_bytes: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class LockedModel(Record):
    """One model at one commit (Hub) or with one content (a directory)."""

    id: str
    """The Hub id, or for a directory the name under which it was pinned."""
    source: Literal["hub", "directory"]
    directory: str | None = None
    """Absolute path; only for `source: directory`."""
    requested_revision: str | None = None
    """What was asked for (`main`, a tag); None for a directory."""
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """What it was at that moment; None for a directory, which has only its hashes."""
    files: tuple[LockedFile, ...]
    config: dict[str, Json]
    """config.json as it is."""
    quantization_config: dict[str, Json] | None = None
    """From config.json or hf_quant_config.json; None when the checkpoint states none."""
    license: str | None = None
    """The licence id of the model card; None when it states none."""
    gated: bool = False
    custom_code: tuple[str, ...] = ()
    """Python that lies in the checkpoint or that its configs name by `auto_map`. It is not among `files` and never
    fetched; an engine would run it only with trust_remote_code."""

    @property
    def whole_config(self) -> dict[str, Json]:
        """config.json with the quantization, which may stand in a file of its own."""
        stored = self.quantization_config
        return self.config if stored is None else self.config | {"quantization_config": stored}

    @property
    def content_digest(self) -> str:
        """sha256 over (path, size, sha256) of every file: equal content, equal digest, wherever it came from."""
        return digest(sorted((f.path, f.size_bytes, f.sha256) for f in self.files))

    @property
    def weights_bytes(self) -> int:
        """Sum of the safetensors files, as they lie on disk."""
        return sum(f.size_bytes for f in self.files if f.path.endswith(".safetensors"))


class ModelLock(Document):
    """models.lock.yaml."""

    kind: Literal["ModelLock"] = "ModelLock"
    lock_version: Literal[1] = 1
    models: tuple[LockedModel, ...] = ()

    def find(self, model_id: str) -> LockedModel | None:
        """The entry of that id, or None."""
        return next((m for m in self.models if m.id == model_id), None)

    def with_model(self, model: LockedModel) -> "ModelLock":
        """A lock in which `model` replaces the entry of its id; sorted by id so that a diff shows only what changed."""
        rest = [m for m in self.models if m.id != model.id]
        return self.model_copy(update={"models": tuple(sorted([*rest, model], key=lambda m: m.id))})
