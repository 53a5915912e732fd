"""infercli profiles, as it is typed."""

from __future__ import annotations

import json
import textwrap

from infercli.cli.profiles import command
from infercli.errors import ExitCode

BROKEN = """\
apiVersion: infercli/v1
kind: HardwareProfile
name: broken
gpu: H1000
nodes: []
quantizations: [int4]
node_selectr: {}
"""


def test_a_broken_file_is_named_with_all_its_mistakes_and_the_others_are_listed(infercli, tmp_path):
    whole = json.loads(infercli("profiles", "-o", "json").out)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "broken.yaml").write_text(BROKEN)
    (tmp_path / "profiles" / "text.yaml").write_text("nodes: [")
    ran = infercli("profiles", "-o", "json")
    assert ran.code == ExitCode.USAGE
    assert json.loads(ran.out) == whole
    for expected in (
        "profiles/broken.yaml: gpu: unknown GPU `H1000`; did you mean `H100`",
        "profiles/broken.yaml: nodes: must list at least 1\n",
        "profiles/broken.yaml: quantizations: unknown quantization `int4`; did you mean `awq`",
        "profiles/broken.yaml: node_selectr: is not a key that is known here; did you mean `node_selector`?",
        "profiles/text.yaml: line 2, column 1: not YAML",
    ):
        assert expected in ran.err


def test_a_file_of_another_name_than_its_profile_is_refused_wherever_it_is_meant(infercli, tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "a.yaml").write_text(infercli("profiles", "l4").out.replace("name: l4", "name: other"))
    wrong = "profiles/a.yaml: name: must be `a`, which its file is called, or the file other.yaml"
    listed = infercli("profiles")
    assert "other" not in listed.out
    for ran in (listed, infercli("profiles", "a"), infercli("init", "--profile", "a")):
        assert ran.code == ExitCode.USAGE
        assert wrong in ran.err
    assert infercli("init", "--profile", "profiles/a.yaml").code == ExitCode.YES


def own_gpu():
    """The profile that the help shows."""
    return textwrap.dedent((command.help or "").partition("in profiles/mine.yaml:\n")[2])


def test_the_gpu_of_ones_own_in_the_help_is_planned_with_its_speed(infercli, tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.yaml").write_text(own_gpu())
    ran = infercli("plan", "meta-llama/Llama-3.1-8B-Instruct", "--profile", "mine")
    assert ran.code == ExitCode.YES
    assert "fits on 1 x MyGPU" in ran.out
    assert "TPOT, median" in ran.out


def test_a_rate_of_no_known_dtype_is_refused_and_not_left_out_without_a_word(infercli, tmp_path):
    (tmp_path / "mine.yaml").write_text(own_gpu().replace("bf16:", "bfloat16:"))
    for words in ((), ("--rate", "1")):
        ran = infercli("plan", "meta-llama/Llama-3.1-8B-Instruct", "--profile", "mine.yaml", *words)
        assert ran.code == ExitCode.USAGE
        assert "mine.yaml: gpu.peak_flops: `bfloat16` is no dtype that is known here: fp16, bf16" in ran.err
        assert "`infercli profiles --help` shows one" in ran.err
