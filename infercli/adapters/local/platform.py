"""A release on the Ray of this machine: the same Serve config that a RayService carries, through Ray's own REST API."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from infercli.adapters.files import write_bytes, write_text
from infercli.adapters.http import request
from infercli.adapters.local.ray import LocalRay
from infercli.adapters.ray_rest import APPLICATIONS, has_log, log_path, log_text
from infercli.core.record import Json
from infercli.core.release import Revision
from infercli.core.release.observed import Answer, Application, Applications
from infercli.errors import EndpointError, RayError


def last_port(home: Path) -> int | None:
    """Where Serve answered for the config that was put last, which clients know; None: nothing was put, or deleted."""
    try:
        port: int = json.loads((home / "serve.json").read_text())["http_options"]["port"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return port


class LocalPlatform:
    """actions.ports.Platform over a LocalRay.

    `code` maps file names of the serving code's zips to their bytes; `api_key` is one more that the front accepts.
    """

    where = "the Ray on this machine"
    kubectl = None
    settle_s = 0.0
    """Ray's REST API tells the state of what it was given: nothing has to settle."""

    def __init__(self, home: Path, serve_port: int, code: dict[str, bytes], api_key: str | None = None) -> None:
        self.home, self.code, self.api_key = home, code, api_key
        self.keys_dir, self.code_dir = home / "keys", home / "code"
        self.ray = LocalRay(home)
        running = self.ray.running()
        self.serve_port = running.serve_port if running else serve_port
        self._replica: dict[str, Json] = {}
        """The one of each application that was seen last, as Ray tells of it."""

    def prepare(self, revision: Revision) -> None:
        """Keys, code, and a Ray that answers. `revision` has no objects here."""
        del revision
        keys = self._keys()
        # Beside those that are there, which clients have; a front without any refuses everybody.
        new = self.api_key or (None if keys else secrets.token_urlsafe(24))
        if new is not None and new not in keys:
            write_text(self.keys_dir / "api-keys", "".join(f"{key}\n" for key in [*keys, new]), private=True)
        if not (self.keys_dir / "operator-token").exists():
            write_text(self.keys_dir / "operator-token", secrets.token_urlsafe(24) + "\n", private=True)
        for name, data in self.code.items():
            if not (self.code_dir / name).exists():
                write_bytes(self.code_dir / name, data)
        self.ray.ensure(self.serve_port)

    def tidy(self, revision: Revision) -> None:
        """No revision has objects here."""

    def put(self, revision: Revision, serve_config: Json) -> None:
        """PUT the whole config."""
        del revision
        answer = self._rest("PUT", serve_config)
        if answer.status != 200:
            raise RayError(f"Ray refused the Serve config: {_short(answer.body)}", "`infercli local status`")
        write_text(self.home / "serve.json", json.dumps(serve_config), private=True)

    def left_over(self) -> str | None:
        """A Ray on this machine is not a release's own: whose engines are left in it cannot be told."""
        return None

    def config(self) -> Json:
        """What Ray holds, put together again from what it says of each application; None where no Ray runs."""
        if self.ray.running() is None:
            return None
        details = self._details()
        found = [a["deployed_app_config"] for a in details["applications"].values() if a.get("deployed_app_config")]
        if not found:
            return None
        kept = {key: details[key] for key in ("proxy_location", "http_options") if key in details}
        return {**kept, "applications": found}

    def _details(self) -> Json:
        answer = self._rest("GET")
        try:
            details = json.loads(answer.body) if answer.status == 200 else None
        except ValueError:
            details = None
        if not isinstance(details, dict):
            raise RayError(
                f"Ray's REST API answered HTTP {answer.status}: {_short(answer.body)}", "`infercli local status`"
            )
        return details

    def _rest(self, method: str, body: Json = None) -> Answer:
        try:
            return self.ray.rest(method, APPLICATIONS, body=body)
        except EndpointError as error:
            raise RayError(f"Ray's REST API: {error.message}", "`infercli local status`") from error

    def applications(self) -> Applications:
        """What runs."""
        apps = {}
        for name, app in self._details()["applications"].items():
            if name == "":
                continue
            deployments = (app.get("deployments") or {}).values()
            for deployment in deployments:
                for replica in deployment.get("replicas") or ():
                    if has_log(replica):
                        self._replica[name] = replica
            messages = tuple(d["message"] for d in deployments if d.get("message"))
            apps[name] = Application(app["status"], app.get("message") or "", messages)
        return Applications(accepted=True, rejected=None, apps=apps)

    def front(
        self, method: str, path: str, *, body: Json = None, engine: str | None = None, timeout_s: float = 10.0
    ) -> Answer:
        """One request to the front on loopback."""
        try:
            token = (self.keys_dir / "operator-token").read_text().strip()
        except OSError:
            raise EndpointError("nothing was deployed on this machine", "`infercli deploy --target local`") from None
        headers = {"X-Infercli-Operator-Token": token}
        if engine is not None:
            headers["X-Infercli-Engine"] = engine
        url = f"http://127.0.0.1:{self.serve_port}{path}"
        return request(method, url, body=body, headers=headers, timeout_s=timeout_s)

    def root_cause(self, app: str) -> str | None:
        """The last error in the log of the replica that was seen last."""
        text = self._log(app, 400) or ""
        errors = [line for line in text.splitlines() if _is_error(line)]
        return errors[-1].split("] ", 1)[-1].strip()[:800] if errors else None

    def logs(self, app: str, lines: int) -> str:
        """The newest lines of a replica of `app`. Raises RayError when it has no replica."""
        self.applications()
        text = self._log(app, lines)
        if text is None:
            raise RayError(f"{app} has no replica with a log on this machine", "`infercli local status`")
        return text

    def _log(self, app: str, lines: int) -> str | None:
        if app not in self._replica:
            return None
        parts = []
        for suffix in ("out", "err"):
            try:
                answer = self.ray.rest("GET", log_path(self._replica[app], suffix, lines))
            except EndpointError:
                continue
            if answer.status == 200:
                parts.append(log_text(answer.body))
        return "\n".join(part for part in parts if part.strip()) if parts else None

    def validate(self, objects: Sequence[dict[str, Json]], serve_config: Json) -> None:
        """Ray has no dry run; the planner has checked the engine's arguments."""

    def held_objects(self, objects: Sequence[dict[str, Json]]) -> Sequence[Json]:
        """None of them: there are no objects here."""
        return [None for _ in objects]

    def endpoint(self) -> str | None:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self.serve_port}" if self.ray.running() else None

    def client_key(self) -> str | None:
        """The first of the front's; None where there is none yet, or they are somebody else's."""
        try:
            return next(iter(self._keys()), None)
        except OSError:
            return None

    def _keys(self) -> list[str]:
        path = self.keys_dir / "api-keys"
        return [line.strip() for line in path.read_text().splitlines() if line.strip()] if path.exists() else []

    def remove(self) -> None:
        """Stop Ray and everything in it; keys stay, since clients have them."""
        self.ray.stop()
        (self.home / "serve.json").unlink(missing_ok=True)


def _is_error(line: str) -> bool:
    return ("Error: " in line or "Exception: " in line) and "See root cause" not in line


def _short(body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    last = [line for line in text.splitlines() if line.strip()]
    return (last[-1] if last else "no words")[:500]
