"""infercli profiles, as it is typed."""

from __future__ import annotations

import json

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
