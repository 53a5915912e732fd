"""Models on the Hugging Face Hub: what a revision is right now, down to the sha256 of each file, and those very files.

The one thing to know: the Hub states a sha256 only for what LFS keeps. The rest (config, tokenizer, templates: small,
and the files that drift) is fetched at that commit, held against git's blob sha1, and hashed here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from infercli import __version__
from infercli.adapters.models import hub_download, hub_errors, model_files
from infercli.adapters.models.hub_client import TIMEOUT_S, HubClient, translated
from infercli.adapters.models.hub_errors import Asked
from infercli.adapters.models.model_directory import OnProgress
from infercli.core.documents.model import LockedFile, LockedModel
from infercli.errors import HubError, InferError, InputError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling


class HubModels(HubClient):
    """The Hub, asked for models."""

    def lock_model(self, model_id: str, revision: str = "main", on_progress: OnProgress | None = None) -> LockedModel:
        """The lock entry of a model as `revision` (branch, tag, commit) is now.

        Downloads the small files to hash them, and no weights. Raises HubError, or InputError for a repository that is
        no model an engine can serve.
        """
        asked = self.asked(model_id, revision, "pinning")
        with translated(asked):
            info = self._info(asked)
            commit = _commit(info, asked)
            siblings = {s.rfilename: s for s in info.siblings or []}
            contents: dict[str, bytes] = {}
            for name in sorted(siblings.keys() & set(model_files.DESCRIPTIONS)):
                contents[name] = self._content(asked, commit, siblings[name])
            checkpoint = model_files.look(siblings, contents)
            if checkpoint.problems:
                raise _no_model_to_lock(asked, commit, checkpoint.problems)
            small = [n for n in checkpoint.files if siblings[n].lfs is None and n not in contents]
            total, done = sum(siblings[n].size or 0 for n in small), 0
            for name in small:
                contents[name] = self._content(asked, commit, siblings[name])
                done += len(contents[name])
                if on_progress:
                    on_progress(done, total, name)
            return LockedModel(
                id=model_id,
                source="hub",
                requested_revision=revision,
                commit=commit,
                files=tuple(_locked_file(siblings[n], contents) for n in checkpoint.files),
                config=checkpoint.config,
                quantization_config=checkpoint.quantization_config,
                license=model_files.licence(vars(info.card_data) if info.card_data else None),
                gated=bool(info.gated),
                custom_code=checkpoint.custom_code,
            )

    def download(self, locked: LockedModel, directory: Path | str, on_progress: OnProgress | None = None) -> None:
        """Put exactly the files of `locked` into `directory`: see infercli.adapters.models.hub_download."""
        if locked.source != "hub" or locked.commit is None:
            raise InputError(
                f"`{locked.id}` was pinned from a directory: there is nothing to download",
                f"it is served from {locked.directory}",
            )
        asked = self.asked(locked.id, locked.commit, "downloading")._replace(directory=Path(directory))
        with translated(asked):
            hub_download.download(self, asked, locked, Path(directory), on_progress)

    def _info(self, asked: Asked) -> ModelInfo:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HFValidationError

        api = HfApi(asked.endpoint, token=self.token, library_name="infercli", library_version=__version__)
        try:
            return self.persist(
                lambda: api.model_info(asked.model_id, revision=asked.revision, files_metadata=True, timeout=TIMEOUT_S)
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, HFValidationError) or hub_errors.status_of(error) is not None:
                raise
            # The client takes the answer for what it expects: a page of HTML or another JSON ends in one of these.
            raise hub_errors.not_a_hub(error, asked) from error

    def _content(self, asked: Asked, commit: str, sibling: RepoSibling) -> bytes:
        """All of a small file, held against what the Hub lists for it."""

        def fetch() -> bytes:
            with self.stream(asked, commit, sibling.rfilename) as response:
                return response.read()

        content = self.persist(fetch, lambda: 0)
        if sibling.lfs is not None:
            wrong = hashlib.sha256(content).hexdigest() != sibling.lfs.sha256
        else:
            # What git calls the blob: sha1 over its kind, its length and its bytes.
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
            wrong = blob.hexdigest() != sibling.blob_id
        if wrong:
            raise HubError(
                f"{sibling.rfilename} of `{asked.model_id}` at {commit[:12]} did not arrive as the Hub lists it",
                f"a proxy or a mirror may change files: `unset HF_ENDPOINT HTTPS_PROXY`, then `{asked.pin}`",
            )
        return content


def _commit(info: ModelInfo, asked: Asked) -> str:
    commit = info.sha or ""
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise hub_errors.not_a_hub(None, asked)
    if re.fullmatch(r"[0-9a-f]{40}", asked.revision) and commit != asked.revision:
        raise HubError(
            f"the Hub answers for {commit} when asked for commit {asked.revision} of `{asked.model_id}`",
            "a mirror may not know that commit: `unset HF_ENDPOINT` and ask the Hub itself",
        )
    return commit


def _locked_file(sibling: RepoSibling, contents: Mapping[str, bytes]) -> LockedFile:
    if sibling.lfs is not None:
        return LockedFile(path=sibling.rfilename, size_bytes=sibling.lfs.size, sha256=sibling.lfs.sha256)
    content = contents[sibling.rfilename]
    return LockedFile(path=sibling.rfilename, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _no_model_to_lock(asked: Asked, commit: str, problems: tuple[tuple[str, str], ...]) -> InferError:
    lines = [f"`{asked.model_id}` at {commit[:12]}: {where}: {what}" for where, what in problems]
    pickle = any("pickle" in what for _, what in problems)
    hint = (
        f"the Hub's converter may have proposed safetensors at {asked.page}/discussions: "
        f"`infercli pin {asked.model_id} --revision refs/pr/NUMBER`"
        if pickle
        else f"{asked.page}/tree/{commit} lists its files; `infercli pin ORG/NAME` of one that has what is missing"
    )
    return InputError("\n".join(lines), hint)
