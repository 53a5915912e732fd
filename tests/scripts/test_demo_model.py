"""The command: what it makes again, what it leaves alone, and the golden set it stands on."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import yaml

from scripts.tiny_llama.golden import GOLDEN, InvalidGoldenSet, read_golden


@pytest.fixture
def made(demo_model, monkeypatch):
    """The variants made so far, in order; making one writes a small file instead of training."""
    names: list[str] = []

    def make_variant(outdir, name, golden, seed):
        names.append(name)
        (outdir / name).mkdir(exist_ok=True)
        (outdir / name / "README.md").write_text(demo_model.CARD_MARK)
        (outdir / name / "model.safetensors").write_text(f"{name} {seed}")
        return {"README.md": len(demo_model.CARD_MARK), "model.safetensors": len(f"{name} {seed}")}

    monkeypatch.setattr(demo_model, "_make_variant", make_variant)
    return names


def run(demo_model, capsys, *arguments):
    code = demo_model.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else None, captured.err


def test_the_golden_set_is_a_few_dozen_questions_each_asked_once():
    document = yaml.safe_load(GOLDEN.read_text())
    assert (document["apiVersion"], document["kind"]) == ("infercli/v1", "GoldenSet")
    items = document["items"]
    assert 24 <= len(items) <= 60
    assert len({i["id"] for i in items}) == len(items)
    # Case and the question mark are varied in training: two questions must differ by more.
    questions = [json.dumps(i["messages"]).lower().replace("?", "") for i in items]
    assert len(set(questions)) == len(items)
    assert all(i["messages"][-1]["role"] == "user" and 0 < len(i["expected"]) < 120 for i in items)


def test_the_golden_set_that_is_read_is_the_one_that_is_written():
    written = yaml.safe_load(GOLDEN.read_text())["items"]
    assert [(i.id, list(i.messages), i.expected) for i in read_golden()] == [
        (w["id"], w["messages"], w["expected"]) for w in written
    ]


def test_a_bad_golden_set_is_refused_with_all_of_its_problems(tmp_path):
    path = tmp_path / "golden.yaml"
    path.write_text(
        """
apiVersion: infercli/v1
kind: Golden
items:
  - {id: a, messages: [{role: user, content: "Q?"}], expected: "A."}
  - {id: a, messages: [{role: user, content: "R?"}], expected: "B."}
  - {id: c, messages: [{role: assistant, content: "S?"}], expected: " C."}
  - {id: d, messages: [{role: robot, content: "T?"}], expect: "D."}
"""
    )
    with pytest.raises(InvalidGoldenSet) as refused:
        read_golden(path)
    assert str(refused.value).splitlines() == [
        f"{path}: kind: must be GoldenSet",
        f"{path}: items[2].expected: must be text without blanks at its ends",
        f"{path}: items[2].messages: the last one must be the user's: the answer follows it",
        f"{path}: items[3]: must have exactly the keys id, messages, expected",
        f"{path}: items[1].id: `a` is taken",
    ]


def test_help_shows_an_example(demo_model, capsys):
    with pytest.raises(SystemExit) as stopped:
        demo_model.main(["--help"])
    assert stopped.value.code == 0
    assert "example: python scripts/demo_model.py" in capsys.readouterr().out


def test_an_unknown_variant_is_a_usage_error_that_names_the_known_ones(demo_model, capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        demo_model.main([str(tmp_path), "--variants", "bf16,int4"])
    assert stopped.value.code == 2
    assert "unknown variant int4; there are bf16, int8, fp8, int8-spoilt, w4a16, awq" in capsys.readouterr().err


def test_what_is_finished_is_used_again_and_what_is_missing_is_added(demo_model, made, capsys, tmp_path):
    code, first, _ = run(demo_model, capsys, tmp_path, "--variants", "int8")
    assert (code, made, first["reused"]) == (0, ["bf16", "int8"], False)
    assert list(first["variants"]) == ["int8"]  # bf16 is made for it, but was not asked for
    made.clear()
    code, second, err = run(demo_model, capsys, tmp_path, "--variants", "bf16,int8")
    assert (code, made, second["reused"]) == (0, [], True)
    assert "has all of it already" in err
    code, _, _ = run(demo_model, capsys, tmp_path, "--variants", "fp8,int8")
    assert made == ["fp8"]


def test_a_variant_that_was_cut_off_is_made_again(demo_model, made, capsys, tmp_path):
    run(demo_model, capsys, tmp_path, "--variants", "int8,fp8")
    (tmp_path / "fp8" / "model.safetensors").write_text("fp")
    made.clear()
    run(demo_model, capsys, tmp_path, "--variants", "int8,fp8")
    assert made == ["fp8"]


def test_another_seed_or_a_changed_golden_set_makes_everything_again(demo_model, made, capsys, tmp_path, monkeypatch):
    _, first, _ = run(demo_model, capsys, tmp_path, "--variants", "int8")
    made.clear()
    _, second, _ = run(demo_model, capsys, tmp_path, "--variants", "int8", "--seed", "1")
    assert made == ["bf16", "int8"]
    assert first["digest"] != second["digest"]
    made.clear()
    changed = tmp_path / "golden.yaml"
    changed.write_text(GOLDEN.read_text().replace("Apache-2.0.", "MIT."))
    monkeypatch.setattr(demo_model, "GOLDEN", changed)
    run(demo_model, capsys, tmp_path, "--variants", "int8", "--seed", "1")
    assert made == ["bf16", "int8"]


def test_a_failure_between_two_variants_keeps_the_finished_one(demo_model, made, capsys, tmp_path, monkeypatch):
    works = demo_model._make_variant

    def disk_full_at_int8(outdir, name, golden, seed):
        if name == "int8":
            raise OSError(28, "No space left on device")
        return works(outdir, name, golden, seed)

    monkeypatch.setattr(demo_model, "_make_variant", disk_full_at_int8)
    code, document, err = run(demo_model, capsys, tmp_path, "--variants", "int8")
    assert (code, document) == (1, None)
    assert "No space left on device" in err
    monkeypatch.setattr(demo_model, "_make_variant", works)
    made.clear()
    run(demo_model, capsys, tmp_path, "--variants", "int8")
    assert made == ["int8"]


def test_a_directory_of_somebody_else_is_not_replaced(demo_model, made, capsys, tmp_path):
    (tmp_path / "int8").mkdir()
    (tmp_path / "int8" / "precious.txt").write_text("mine")
    code, document, err = run(demo_model, capsys, tmp_path, "--variants", "int8")
    assert (code, document, made) == (1, None, [])
    assert f"{tmp_path / 'int8'} exists and was not made by this script" in err
    assert (tmp_path / "int8" / "precious.txt").read_text() == "mine"


def test_a_second_process_waits_for_the_first(demo_model, capsys, tmp_path):
    entered = threading.Event()

    def second() -> None:
        with demo_model._only_one(tmp_path):
            entered.set()

    thread = threading.Thread(target=second)
    with demo_model._only_one(Path(tmp_path)):
        thread.start()
        assert not entered.wait(0.3)
    assert entered.wait(5)
    thread.join()
    assert "another process is making" in capsys.readouterr().err
