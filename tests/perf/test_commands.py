"""The measurements of infercli's own commands: that they count what they say. How fast anything is, no test decides."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.perf import model_hub
from benchmarks.perf.processes import Command, CommandFailed, measure, summary
from infercli.core.shapes import find_shape

ROOT = Path(__file__).parents[2]


def python(tmp_path, code, **changes):
    return Command(label="python", argv=[sys.executable, "-c", code], folder=tmp_path, **changes)


def test_cpu_time_is_that_of_the_child(tmp_path):
    busy = python(tmp_path, "import time\nwhile time.process_time() < 0.2: pass")
    asleep = python(tmp_path, "import time; time.sleep(0.2)")
    measure([busy, asleep], 1, dict(os.environ))
    assert len(busy.cpu_s) == len(asleep.cpu_s) == 1
    assert busy.cpu_s[0] >= 0.2
    assert asleep.cpu_s < busy.cpu_s
    assert asleep.elapsed_s[0] >= 0.2


def test_memory_that_is_touched_is_counted(tmp_path):
    large = python(tmp_path, "kept = b'x' * 300_000_000")
    measure([large], 1, dict(os.environ))
    assert 300_000_000 < large.memory_bytes[0] < 600_000_000


def test_a_command_that_fails_is_no_measurement(tmp_path):
    with pytest.raises(CommandFailed, match="ended with 1, not 0: no such luck"):
        measure([python(tmp_path, "raise SystemExit('no such luck')")], 1, dict(os.environ))
    measure([python(tmp_path, "raise SystemExit(3)", exit_code=3)], 1, dict(os.environ))


def test_a_summary_is_median_minimum_and_maximum():
    assert summary([5.0, 1.0, 4.0, 2.0]) == {"median": 3.0, "min": 1.0, "max": 5.0}


def test_the_script_measures_help_and_its_peer_and_writes_them_down(tmp_path):
    path = tmp_path / "costs.json"
    script = ROOT / "benchmarks" / "perf" / "commands.py"
    done = subprocess.run(
        [sys.executable, script, "--offline", "--runs", "1", "--only=--help", "--to", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "infercli --help" in done.stdout, done.stderr
    assert "left out: the cluster" in done.stderr
    document = json.loads(path.read_text())
    (own,) = document["results"]
    (peer,) = own["peers"]
    assert (own["command"], own["runs"], peer["command"], peer["runs"]) == ("infercli --help", 1, "hf --help", 1)
    for cpu_s in (own["cpu_s"], peer["cpu_s"]):
        assert 0 < cpu_s["min"] <= cpu_s["median"] <= cpu_s["max"]
    assert peer["infercli_cpu_ratio"] == pytest.approx(own["cpu_s"]["median"] / peer["cpu_s"]["median"], abs=0.006)
    assert own["peak_memory_bytes"] is None or own["peak_memory_bytes"] > document["memory_floor_bytes"]
    # Its exit code says whether a target was missed, which a busy machine may decide.
    assert done.returncode == int(own["cpu_s"]["median"] > own["targets"]["cpu_s"])


def test_a_command_reads_what_it_is_given(tmp_path):
    (tmp_path / "in").write_text("17")
    reads = python(tmp_path, "raise SystemExit(int(input()))", stdin=tmp_path / "in", exit_code=17)
    measure([reads], 1, dict(os.environ))
    assert len(reads.cpu_s) == 1


def test_the_planner_script_measures_an_estimate_and_says_which_peers_it_lacks(tmp_path):
    path = tmp_path / "costs.json"
    script = ROOT / "benchmarks" / "perf" / "planner.py"
    broken = tmp_path / "planner"
    broken.write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
    broken.chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)
    done = subprocess.run(
        [sys.executable, script, "--runs", "1", "--only=one, memory", "--to", path, "--llm-d-planner", broken],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "left out: aiconfigurator: not named" in done.stderr
    assert path.exists(), done.stderr
    document = json.loads(path.read_text())
    (own,) = document["results"]
    assert (own["command"], own["peers"], own["candidates"]) == ("infercli estimate, one, memory", [], None)
    assert own["cpu_s"]["median"] > 0
    assert any("no such luck" in line for line in document["left_out"])


PLANNER = """#!{python}
import json, os, urllib.request
with urllib.request.urlopen(os.environ["HF_ENDPOINT"] + "/Qwen/Qwen3-32B/resolve/main/config.json") as answer:
    layers = json.load(answer)["num_hidden_layers"]
found = {{"input_parameters": {{"max_model_len": 8192}}, "per_gpu_model_memory_gb": layers,
    "allocatable_kv_cache_memory_gb": 9, "max_concurrent_requests": 4}}
print("Fetching ...", json.dumps(found), sep="\\n")
"""


def test_a_planner_that_asks_the_hub_is_answered_here_and_its_answer_is_kept_beside_ours(tmp_path):
    path, planner = tmp_path / "costs.json", tmp_path / "planner"
    planner.write_text(PLANNER.format(python=sys.executable))
    planner.chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)
    script = ROOT / "benchmarks" / "perf" / "planner.py"
    subprocess.run(
        [sys.executable, script, "--runs", "1", "--only=one, memory", "--to", path, "--llm-d-planner", planner],
        capture_output=True,
        check=False,
    )
    (own,) = json.loads(path.read_text())["results"]
    (peer,) = own["peers"]
    assert peer["answer"] == {"max_model_len": 8192, "weights_gib": 64, "kv_cache_gib": 9, "concurrency": 4}
    assert own["answer"].keys() == peer["answer"].keys()
    assert own["answer"]["weights_gib"] == pytest.approx(61, abs=0.5)
    assert peer["elapsed_s"]["median"] > 0
    assert peer["infercli_cpu_ratio"] > 0


@pytest.mark.parametrize("model_id", model_hub.MODELS)
def test_the_headers_of_the_hub_here_describe_as_many_parameters_as_the_model_has(model_id):
    files = model_hub.files(*model_hub.MODELS[model_id])
    headers = [json.loads(data[8:]) for name, data in files.items() if name.endswith(".safetensors")]
    tensors = {name: one for header in headers for name, one in header.items() if name != "__metadata__"}
    assert sum(math.prod(one["shape"]) for one in tensors.values()) == find_shape(model_id).parameters
    assert json.loads(files["model.safetensors.index.json"])["weight_map"].keys() == tensors.keys()
    for header in headers:
        end = max(one["data_offsets"][1] for name, one in header.items() if name != "__metadata__")
        assert 0.5 < end * len(headers) / (2 * find_shape(model_id).parameters) < 1.5
