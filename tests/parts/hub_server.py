"""A server that speaks the Hub's protocol as huggingface_hub 2.4 asks it, for models that a test makes up.

Contents, commits, tags, LFS entries and hashes are real (git's blob sha1, LFS's sha256), and so are the refusals: the
status, X-Error-Code and X-Error-Message are what the Hub sends. Faults are asked for by the test: a status, a
connection that dies in the middle of a file, other bytes than promised. What was asked is in `requests`, so
that a test can say which ranges were fetched and where the token went.

    with HubServer(tmp_path) as hub:
        commit = hub.commit("org/model", {"config.json": b"{}", "model.safetensors": b"..."})
        HubModels(endpoint=hub.endpoint).lock_model("org/model")
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from infercli.adapters.models.hub import HubModels

READER = "hf_reader"
"""A token that is let into every model."""
STRANGER = "hf_stranger"
"""A valid token that no gated model has let in."""

LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".gguf")
CHUNK = 1 << 16


@dataclass(frozen=True)
class Blob:
    """One file of one commit; its bytes lie in the server's directory under their sha256."""

    size: int
    git_sha1: str
    sha256: str
    lfs: bool

    @property
    def pointer(self) -> bytes:
        """What git holds in place of an LFS file."""
        return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
            self.sha256.encode(),
            self.size,
        )

    @property
    def oid(self) -> str:
        """git's id of what git holds."""
        return git_sha1(self.pointer) if self.lfs else self.git_sha1

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git_sha1


@dataclass
class Model:
    """One repository: commits, what points at them, and who may see it."""

    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    card: dict[str, object] = field(default_factory=dict)
    gated: str | bool = False
    private: bool = False
    disabled: bool = False

    def resolve(self, revision: str) -> str | None:
        return self.refs.get(revision) or (revision if revision in self.commits else None)


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose path contains `match`."""

    match: str
    times: int
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    drop_after: int | None = None
    bytes_per_s: float | None = None
    unsized: bool = False


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    host: str
    path: str
    range: str | None
    authorization: str | None


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class HubServer:
    """The Hub at `endpoint`. With `cdn=True`, LFS files are a redirect to another host, as on the real one."""

    def __init__(self, directory: Path, *, cdn: bool = False) -> None:
        self.blobs = directory / "hub-blobs"
        self.blobs.mkdir(parents=True, exist_ok=True)
        self.models: dict[str, Model] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._hub = self._listen()
        self._cdn = self._listen() if cdn else None

    def _listen(self) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        server.daemon_threads = True
        return server

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._hub.server_port}"

    @property
    def cdn_host(self) -> str | None:
        """`localhost` is not `127.0.0.1` to a client, and neither is the port the same."""
        return f"localhost:{self._cdn.server_port}" if self._cdn else None

    def __enter__(self) -> Self:
        for server in filter(None, (self._hub, self._cdn)):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in filter(None, (self._hub, self._cdn)):
            server.shutdown()
            server.server_close()

    # What the test makes

    def commit(
        self,
        model_id: str,
        files: Mapping[str, bytes | Path],
        *,
        branch: str = "main",
        lfs: frozenset[str] = frozenset(),
    ) -> str:
        """A new commit with exactly these files; `branch` points at it. `lfs` names more files that LFS keeps."""
        model = self.models.setdefault(model_id, Model())
        tree = {path: self._store(path, content, path in lfs) for path, content in sorted(files.items())}
        parent = model.refs.get(branch, "")
        listing = json.dumps([parent, [(path, blob.oid) for path, blob in tree.items()]])
        commit = hashlib.sha1(listing.encode()).hexdigest()
        model.commits[commit] = tree
        model.refs[branch] = commit
        return commit

    def commit_directory(self, model_id: str, directory: Path, *, branch: str = "main") -> str:
        """A commit with every file below `directory`."""
        files = {p.relative_to(directory).as_posix(): p for p in directory.rglob("*") if p.is_file()}
        return self.commit(model_id, files, branch=branch)

    def tag(self, model_id: str, name: str, commit: str) -> None:
        self.models[model_id].refs[name] = commit

    def forget(self, model_id: str, commit: str) -> None:
        """As a force-push does: nothing leads to that commit any more."""
        model = self.models[model_id]
        del model.commits[commit]
        model.refs = {name: sha for name, sha in model.refs.items() if sha != commit}

    def fault(self, match: str, *, times: int = 1, **what: object) -> None:
        self.faults.append(Fault(match, times, **what))

    def asked(self, match: str, method: str = "GET") -> list[Request]:
        """The requests of that method whose path contains `match`, in order."""
        return [r for r in self.requests if r.method == method and match in r.path]

    def _store(self, path: str, content: bytes | Path, lfs: bool) -> Blob:
        data = content.read_bytes() if isinstance(content, Path) else content
        sha256 = hashlib.sha256(data).hexdigest()
        (self.blobs / sha256).write_bytes(data)
        return Blob(len(data), git_sha1(data), sha256, lfs or path.endswith(LFS_SUFFIXES))

    def take_fault(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.match in path:
                    fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: the second would wait 40 ms for an acknowledgement

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization")
        host = self.headers.get("Host", "")
        self.hub.requests.append(Request(self.command, host, self.path, self.headers.get("Range"), authorization))
        fault = self.hub.take_fault(self.path)
        if fault and fault.status is not None:
            self._answer(fault.status, fault.body or b'{"error":"asked for by the test"}', fault.headers)
            return
        path = urlsplit(self.path).path
        if host == self.hub.cdn_host:
            self._send_blob(path.rsplit("/", 1)[1], {}, fault)
        elif match := re.fullmatch(
            r"/api/models/([^/]+/[^/]+)(?:/(revision|tree|auth-check)(?:/([^/]+))?)?(?:/.*)?", path
        ):
            self._api(match[1], match[2], unquote(match[3] or "main"))
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(match[1], unquote(match[2]), unquote(match[3]), fault)
        else:
            self._refuse(404, None, "Not Found")

    # Who may see what

    def _token(self) -> str | None:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def _model(self, model_id: str) -> Model | None:
        """The model, or None once the refusal is sent."""
        token = self._token()
        if token not in (None, READER, STRANGER):
            self._refuse(401, None, "Invalid credentials in Authorization header")
            return None
        model = self.hub.models.get(model_id)
        if model is None or (model.private and token != READER):
            # Without a token the Hub does not say which of "missing" and "private" it is, nor by any code.
            self._refuse(404, "RepoNotFound", "Repository not found") if token else self._refuse(
                401, None, "Invalid username or password."
            )
            return None
        if model.disabled:
            self._refuse(403, None, "Access to this resource is disabled.")
            return None
        return model

    def _let_in(self, model_id: str, model: Model) -> bool:
        token = self._token()
        if not model.gated or token == READER:
            return True
        message = f"Access to model {model_id} is restricted."
        self._refuse(403 if token else 401, "GatedRepo", message)
        return False

    # What is asked

    def _api(self, model_id: str, what: str | None, revision: str) -> None:
        model = self._model(model_id)
        if model is None:
            return
        if what == "auth-check":
            if self._let_in(model_id, model):
                self._answer(200, b"{}")
            return
        commit = model.resolve(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        tree = model.commits[commit]
        if what == "tree":
            self._json([self._tree_entry(path, blob) for path, blob in tree.items()])
            return
        metadata = "blobs" in parse_qs(urlsplit(self.path).query)
        self._json(
            {
                "id": model_id,
                "modelId": model_id,
                "sha": commit,
                "private": model.private,
                "gated": model.gated,
                "disabled": model.disabled,
                "tags": [],
                "cardData": model.card or None,
                "siblings": [self._sibling(path, blob, metadata) for path, blob in tree.items()],
            }
        )

    @staticmethod
    def _tree_entry(path: str, blob: Blob) -> dict[str, object]:
        entry: dict[str, object] = {"type": "file", "path": path, "size": blob.size, "oid": blob.oid}
        if blob.lfs:
            entry["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": len(blob.pointer)}
        return entry

    @staticmethod
    def _sibling(path: str, blob: Blob, metadata: bool) -> dict[str, object]:
        entry: dict[str, object] = {"rfilename": path}
        if metadata:
            entry |= {"size": blob.size, "blobId": blob.oid}
            if blob.lfs:
                entry["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": len(blob.pointer)}
        return entry

    def _file(self, model_id: str, revision: str, path: str, fault: Fault | None) -> None:
        model = self._model(model_id)
        if model is None or not self._let_in(model_id, model):
            return
        commit = model.resolve(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        blob = model.commits[commit].get(path)
        if blob is None:
            self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
            return
        headers = {"X-Repo-Commit": commit, "ETag": f'"{blob.etag}"'}
        if blob.lfs and self.hub.cdn_host:
            headers |= {"X-Linked-Size": str(blob.size), "X-Linked-ETag": f'"{blob.sha256}"'}
            headers["Location"] = f"http://{self.hub.cdn_host}/{quote(model_id)}/{blob.sha256}?X-Amz-Signature=signed"
            self._answer(302, b"", headers)
            return
        self._send_blob(blob.sha256, headers, fault, compress=not blob.lfs)

    # How it is sent

    def _send_blob(self, sha256: str, headers: dict[str, str], fault: Fault | None, *, compress: bool = False) -> None:
        data = (self.hub.blobs / sha256).read_bytes()
        if fault and fault.body is not None:
            data = fault.body
        headers = {**headers, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        if compress and "gzip" in self.headers.get("Accept-Encoding", ""):
            # The Hub's front compresses text for whoever takes it, and then neither length nor ranges are the file's.
            data = gzip.compress(data, mtime=0)
            headers["Content-Encoding"] = "gzip"
        size, status = len(data), 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if match:
            first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
            if first >= size:
                self._answer(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            data, status = data[first : last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self.send_response(status)
        if fault and fault.unsized:
            headers["Connection"] = "close"  # the end of the connection is the end of the file, whole or not
        else:
            headers["Content-Length"] = str(len(data))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self._send_slowly(data, fault)

    def _send_slowly(self, data: bytes, fault: Fault | None) -> None:
        end = len(data)
        if fault and fault.drop_after is not None:
            end = min(end, fault.drop_after)
        step = CHUNK if not (fault and fault.bytes_per_s) else max(1, int(fault.bytes_per_s / 50))
        try:
            for start in range(0, end, step):
                self.wfile.write(data[start : min(start + step, end)])
                if fault and fault.bytes_per_s:
                    time.sleep(0.02)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client was killed: that is the test
        if end < len(data):
            self.wfile.flush()
            self.close_connection = True

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str | None, message: str, headers: Mapping[str, str] | None = None) -> None:
        named = {"X-Error-Code": code} if code else {}
        body = json.dumps({"error": message}).encode()
        self._answer(
            status, body, {"X-Error-Message": message, "Content-Type": "application/json", **named, **(headers or {})}
        )

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def models(hub: HubServer, token: str | None = None) -> HubModels:
    """The Hub's adapter before that server, which waits for nothing between its tries."""
    return HubModels(hub.endpoint, token, sleep=lambda _: None)
