"""What `doctor` says of a cluster."""

from __future__ import annotations

import json

import pytest

from infercli.cli.main import invoke

pytestmark = pytest.mark.cluster


@pytest.fixture
def findings(control_plane, tmp_path, monkeypatch, capsys):
    """What it finds as a user, in a namespace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def found(namespace, *user):
        invoke(["doctor", "--kubeconfig", str(control_plane.kubeconfig(*user)), "-n", namespace, "-o", "json"])
        return {f["what"]: f for f in json.loads(capsys.readouterr().out)["findings"]}

    return found


def test_doctor_reads_version_kuberay_and_releases(findings, namespace):
    seen = findings(namespace)
    assert [seen[what]["state"] for what in ("cluster", "KubeRay", "releases")] == ["ok", "ok", "ok"]
    assert namespace in seen["cluster"]["found"]
    seen = findings(namespace, "nobody")
    assert [seen[what]["state"] for what in ("cluster", "KubeRay", "releases")] == ["ok", "bad", "bad"]
    assert all(f["hint"] for f in seen.values() if f["state"] == "bad")


def test_doctor_says_that_a_namespace_is_not_there(findings):
    assert "there is no namespace `no-such`" in findings("no-such")["releases"]["found"]
