"""Models on the Hugging Face Hub: what a revision is right now, down to the sha256 of each file, and those very files.

The one thing to know: the Hub states a sha256 only for what LFS keeps. The rest (config, tokenizer, templates: small,
and the files that drift) is fetched at that commit, held against git's blob sha1, and hashed here.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from infercli import __version__
from infercli.adapters import hub_errors, model_files
from infercli.adapters.hub_errors import Asked
from infercli.adapters.model_directory import OnProgress
from infercli.core.model import LockedFile, LockedModel
from infercli.core.units import duration
from infercli.errors import HubError, InferError, InputError

if TYPE_CHECKING:
    from httpx2 import Response
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

T = TypeVar("T")

TIMEOUT_S = 30.0
"""Between two bytes, and to connect. The Hub answers in well under a second; a cold object of its CDN takes several."""


@dataclass(frozen=True)
class HubModels:
    """The Hub at `endpoint` (None: HF_ENDPOINT, else huggingface.co), asked as `token` (None: HF_TOKEN, HF_TOKEN_PATH).

    `tell` is told in words before each wait; `sleep` is how it waits.
    """

    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    tell: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep

    def lock_model(self, model_id: str, revision: str = "main", on_progress: OnProgress | None = None) -> LockedModel:
        """The lock entry of a model as `revision` (branch, tag, commit) is now.

        Downloads the small files to hash them, and no weights. Raises HubError, or InputError for a repository that is
        no model an engine can serve.
        """
        asked = self._asked(model_id, revision, "pinning")
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
        """Put exactly the files of `locked` into `directory`: see infercli.adapters.hub_download."""
        from infercli.adapters.hub_download import download

        if locked.source != "hub" or locked.commit is None:
            raise InputError(
                f"`{locked.id}` was pinned from a directory: there is nothing to download",
                f"it is served from {locked.directory}",
            )
        asked = self._asked(locked.id, locked.commit, "downloading")._replace(directory=Path(directory))
        with translated(asked):
            download(self, asked, locked, Path(directory), on_progress)

    @contextmanager
    def stream(self, asked: Asked, commit: str, path: str, start: int = 0) -> Iterator[Response]:
        """The bytes of one file from `start` on. The token stays with the Hub: redirects to another host lose it.

        Raises the client's own exceptions: what is worth another try is decided by `persist`.
        """
        from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status

        url = hf_hub_url(asked.model_id, path, revision=commit, endpoint=asked.endpoint)
        # Compressed on the way, neither the length nor a range would be the file's.
        headers = self._headers() | {"accept-encoding": "identity"}
        if start:
            headers["range"] = f"bytes={start}-"
        with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_S) as response:
            if response.status_code != 416:  # a range that begins at the end: the caller's to judge
                hf_raise_for_status(response)
            yield response

    def persist(self, attempt: Callable[[], T], position: Callable[[], int] | None = None) -> T:
        """Run `attempt` until it succeeds or is not worth another try; progress of `position` starts the count anew."""
        failures, last = 0, position() if position else 0
        while True:
            try:
                return attempt()
            except Exception as error:
                now = position() if position else 0
                failures, last = (0, now) if now > last else (failures, last)
                pause = hub_errors.pause_s(error, failures, first_contact=position is None)
                if pause is None:
                    raise
                failures += 1
            self.tell(f"the Hub did not answer; trying again in {duration(pause)}")
            self.sleep(pause)

    def _asked(self, model_id: str, revision: str, doing: str) -> Asked:
        from huggingface_hub import constants

        endpoint = (self.endpoint or constants.ENDPOINT).rstrip("/")
        asked = Asked(model_id, revision, endpoint, has_token=False, doing=doing)
        with translated(asked):
            authorization = self._headers().get("authorization", "")
        if not (authorization.isascii() and authorization.isprintable()):
            raise InputError("the Hub token has characters that no token has", "set HF_TOKEN again, without quotes")
        return asked._replace(has_token=bool(authorization))

    def _headers(self) -> dict[str, str]:
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, not annotated

        return dict(build_hf_headers(token=self.token, library_name="infercli", library_version=__version__))

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


@contextmanager
def translated(asked: Asked) -> Iterator[None]:
    """Every exception of the client as one of ours; what no row explains passes, as the bug that it is."""
    try:
        yield
    except InferError:
        raise
    except Exception as error:
        ours = hub_errors.translate(error, asked)
        if ours is None:
            raise
        raise ours from error


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
