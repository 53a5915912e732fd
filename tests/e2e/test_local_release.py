"""The local target as a person uses it: the real command, a real Ray Serve, a real vLLM.

Every test finds the good model serving and leaves it serving; the last one takes it away.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from datetime import datetime

import pytest
import yaml

from infercli.adapters.files import shipped
from infercli.core.bench.result import BenchResult

pytestmark = [pytest.mark.ray, pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(1500)]

GOLDEN = yaml.safe_load((shipped("profiles").parent / "benchmarks" / "golden" / "infercli.yaml").read_text())["items"]


def ask(machine, item):
    return machine.answer("ask", "chat", item["messages"][-1]["content"])


def right(machine, items):
    return sum(ask(machine, item)["text"].strip() == item["expected"] for item in items)


def serving(machine):
    status = machine.answer("status", "chat")
    assert status["state"] == "serving", status
    assert status["drift"] == []
    return status


def wait_for(log, text, limit_s=300):
    end = time.monotonic() + limit_s
    while text not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def test_the_good_model_gives_the_golden_answers_word_for_word(released):
    assert right(released, GOLDEN[:5]) == 5


def test_bench_counts_the_tokens_that_the_engine_counts(released):
    result = released.answer("bench", "chat", "--requests", "12", "--concurrency", "3", "--workload", "chat")
    assert result["stages"][0]["metrics"]["answered"] == 12
    whole = BenchResult.model_validate_json((released.project / "result.json").read_text())
    assert whole.engine_tokens.output_tokens > 0
    assert whole.engine_agrees is True
    assert result["telemetry"] is None
    assert result["telemetry_reason"].startswith("no GPU telemetry")


def test_deploying_what_serves_changes_nothing(released):
    released.deployment("./models/bf16")
    before = serving(released)["newest_revision"]
    assert released.answer("deploy")["changed"] is False
    assert serving(released)["newest_revision"] == before


def test_a_bad_quantization_is_seen_and_taken_back_without_losing_a_request(released):
    done = released.deploy("./models/int8-spoilt", "--reason", "int8 halves the memory")
    assert done.returncode == 0, done.stderr
    assert right(released, GOLDEN[:8]) < 8, "the spoilt scales should be heard"
    log = released.start(
        "load", "bench", "chat", "--duration", "15s", "--concurrency", "8", "--workload", "chat", "--save", "load.json"
    )
    time.sleep(5)
    typed = time.time()
    back = released.answer("rollback", "chat", "--reason", "wrong answers")
    returned = time.time()
    assert back["is_shift"] is True
    first = ask(released, GOLDEN[0])
    assert first["text"].strip() == GOLDEN[0]["expected"]
    assert first["engine"] == back["engine"]
    released.sandbox.wait("load", 120)
    load = json.loads((released.project / "load.json").read_text())
    (stage,) = load["stages"]
    metrics = stage["metrics"]
    assert metrics["failed"] == 0, (metrics["errors"], log.read_text())
    assert metrics["answered"] > 8
    origin = datetime.fromisoformat(load["started_at"]).timestamp()
    answers = [(origin + trace["ended_s"] - typed, trace["engine"]) for trace in stage["traces"]]
    engines = {engine for after_s, engine in answers if after_s < 0}
    assert engines, "the load began too late to see both engines"
    assert back["engine"] not in engines
    good = [after_s for after_s, engine in answers if engine == back["engine"]]
    assert good, "the load should have been answered by the good revision"
    print(
        f"\nrollback under 8 streams: {back['seconds']} s by its own count, returned after {returned - typed:.2f} s; "
        f"first answer of the good revision {min(good):.2f} s after it was typed; {metrics['answered']} answered"
    )
    standings = [r["standing"] for r in released.answer("history", "chat")["revisions"]][-3:]
    assert standings[-2:] == ["rolled back", "serving"]
    assert serving(released)["newest_standing"] == "serving"


def test_an_engine_that_cannot_start_leaves_what_served_and_says_the_root_cause(released):
    broken = released.project / "models" / "broken"
    shutil.copytree(released.project / "models" / "bf16", broken, dirs_exist_ok=True)
    config = json.loads((broken / "config.json").read_text())
    config["num_hidden_layers"] += 1  # a layer whose weights no file has
    (broken / "config.json").write_text(json.dumps(config))
    done = released.deploy("./models/broken")
    assert done.returncode == 1, done.stdout
    assert "root cause" in done.stderr or "engine start failed" in done.stderr
    assert "weights" in done.stderr, "vLLM's own words should be shown"
    assert right(released, GOLDEN[:2]) == 2
    assert serving(released)["newest_standing"] == "failed"


def test_an_unknown_engine_argument_is_refused_before_anything_is_touched(released):
    before = serving(released)["newest_revision"]
    released.deployment("./models/bf16", engine_args={"max_modl_len": 512})
    done = released.infercli("deploy")
    assert done.returncode == 2
    assert "max_model_len" in done.stderr
    assert serving(released)["newest_revision"] == before


def test_ctrl_c_in_the_middle_blocks_nothing(released):
    released.deployment("./models/int8-spoilt")
    released.infercli("pin")
    log = released.start("cut", "deploy", "--timeout", "10m")
    wait_for(log, "start chat-")
    released.sandbox.signal("cut", signal.SIGINT)
    assert released.sandbox.wait("cut", 60) == 130, log.read_text()
    assert serving(released)["newest_standing"] == "interrupted"
    assert right(released, GOLDEN[:1]) == 1


def test_a_second_deploy_at_the_same_time_is_refused_and_a_killed_one_blocks_nobody(released):
    released.deployment("./models/int8-spoilt")
    released.infercli("pin")
    log = released.start("first", "deploy", "--timeout", "10m")
    wait_for(log, "start chat-")
    second = released.infercli("deploy")
    assert second.returncode == 1
    assert "is being changed by" in second.stderr
    assert "(deploy since" in second.stderr, "the holder's operation should be named"
    released.sandbox.signal("first", signal.SIGKILL)
    released.sandbox.wait("first", 30)
    released.deployment("./models/bf16")
    done = released.infercli("deploy", "--timeout", "10m")
    assert done.returncode == 0, done.stderr
    assert right(released, GOLDEN[:1]) == 1
    outcomes = [r["outcome"] for r in released.answer("history", "chat")["revisions"]]
    assert "abandoned" in outcomes


def test_a_second_release_on_this_machine_is_refused_with_what_to_do(released):
    released.deployment("./models/bf16", served_model_name="chat")
    text = (released.project / "deployment.yaml").read_text().replace("name: chat\n", "name: other\n", 1)
    (released.project / "deployment.yaml").write_text(text)
    done = released.infercli("deploy")
    assert done.returncode == 2
    assert "infercli delete chat" in done.stderr


def test_local_status_lists_what_is_open_and_says_so(released):
    status = released.answer("local", "status")
    ports = {p["port"]: p["address"] for p in status["listening"]}
    serve = int(status["endpoint"].rpartition(":")[2])
    assert ports[serve] == "127.0.0.1"
    assert any(address in ("0.0.0.0", "::") for address in ports.values())


def test_no_secret_is_in_what_is_kept_or_printed(released):
    keys = released.project.parent / "state" / "infercli" / "local" / "keys"
    secrets = {(keys / n).read_text().strip() for n in ("api-keys", "operator-token")}
    printed = released.infercli("status", "chat").stdout + released.infercli("local", "status").stdout
    kept = "".join(p.read_text() for p in released.project.parent.rglob("*.revision.json"))
    assert not [s for s in secrets if s in printed or s in kept]
    assert all(p.stat().st_mode & 0o077 == 0 for p in keys.iterdir())


def test_a_ray_that_died_is_said_to_be_down_and_the_next_deploy_brings_it_back(released):
    pid = released.answer("local", "status")["pid"]
    released.sandbox.run(["kill", "-9", str(pid)])
    end = time.monotonic() + 60
    while released.answer("status", "chat")["state"] != "down" and time.monotonic() < end:
        time.sleep(1)
    assert released.infercli("status", "chat").returncode == 3
    done = released.deploy("./models/bf16")
    assert done.returncode == 0, done.stderr
    assert right(released, GOLDEN[:1]) == 1


def test_zz_delete_leaves_no_process_and_no_history(released):
    done = released.infercli("delete", "chat", "--yes")
    assert done.returncode == 0, done.stderr
    assert released.infercli("status", "chat", "--target", "local").returncode == 2
    # At once: neither a mark, nor a title that hides it, nor one that is still on its way out.
    left = released.sandbox.run(["sh", "-c", "grep -l INFERCLI_LOCAL_RAY= /proc/[0-9]*/environ 2>/dev/null || true"])
    assert left.stdout.strip() == ""
    names = released.sandbox.run(["sh", "-c", "grep -h ^[0-9] /proc/[0-9]*/stat"]).stdout.splitlines()
    assert names
    assert [n for n in names if "(ray" in n and ") Z " not in n] == []
