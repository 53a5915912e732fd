"""What is installed is what was tested: the wheel carries profiles, charts, workloads and objectives and finds them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


@pytest.mark.slow
def test_a_wheel_has_the_data_and_the_serving_code_and_nothing_of_the_tests(installed):
    names = {str(p.relative_to(installed)) for p in installed.rglob("*") if p.is_file()}
    shipped = {p.name for p in (ROOT / "profiles").glob("*.yaml")}
    assert {Path(n).name for n in names if n.startswith("infercli/data/profiles/")} == shipped
    assert "infercli/data/charts/infercli-platform/Chart.yaml" in names
    for folder in ("workloads", "objectives"):
        shipped = {p.name for p in (ROOT / "benchmarks" / folder).glob("*.yaml")}
        assert {Path(n).name for n in names if n.startswith(f"infercli/data/{folder}/")} == shipped
    assert "infercli/serving/front/app.py" in names
    assert not [n for n in names if n.startswith(("tests", "scripts"))]


@pytest.mark.slow
def test_the_installed_command_plans_and_renders_its_serving_code_alike(installed, tmp_path):
    code = (
        "import hashlib, json, sys; from infercli.cli.main import invoke; "
        "from infercli.cli.project import serving_code; "
        "from infercli.adapters.files import package_sources; from infercli.render.bench_app import bench_app; "
        "app = hashlib.sha256(bench_app(package_sources())).hexdigest(); "
        "import infercli; print(json.dumps([infercli.__file__, [*sorted(serving_code()), app]])); "
        "sys.exit(invoke(['plan', 'meta-llama/Llama-3.1-8B-Instruct', '--profile', 'l4', '-o', 'json']))"
    )

    def run(path):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PYTHONPATH": str(path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        first, _, rest = done.stdout.partition("\n")
        return json.loads(first), json.loads(rest)

    (file, zips), plan = run(installed)
    assert file.startswith(str(installed))
    (_, zips_here), plan_here = run(ROOT)
    assert zips == zips_here
    assert plan == plan_here
