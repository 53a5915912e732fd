from __future__ import annotations

import pytest

from infercli.adapters.promptfoo import load_promptfoo
from infercli.core.load.prompt_files import read_promptfoo
from infercli.errors import InputError, InvalidFile


def test_texts_that_are_named_stand_in_their_places(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "ask.txt").write_text("About {{topic}}: {{question}}")
    (tmp_path / "topic.md").write_text("bridges")
    (tmp_path / "tests.yaml").write_text("- vars: {question: Why?}\n- vars: {question: [How?, file://topic.md]}\n")
    (tmp_path / "config.yaml").write_text(
        "prompts: [file://prompts/ask.txt]\ntests: file://tests.yaml\n"
        "defaultTest: {vars: {topic: file://topic.md}}\nproviders: [openai:x]\n"
    )
    found = read_promptfoo(load_promptfoo(tmp_path / "config.yaml"), "p")
    assert [c.turns[0].prompt for c in found] == [
        "About bridges: Why?",
        "About bridges: How?",
        "About bridges: bridges",
    ]


def test_a_text_that_is_not_there_is_named_by_its_path(tmp_path):
    (tmp_path / "config.yaml").write_text("prompts: [file://ask.txt]\ntests: [{vars: {a: 1}}]\n")
    with pytest.raises(InputError, match=r"ask.txt: there is no such file"):
        load_promptfoo(tmp_path / "config.yaml")


def test_scripts_and_tables_stay_what_they_are_and_are_refused(tmp_path):
    (tmp_path / "config.yaml").write_text("prompts: [file://p.py]\ntests: file://t.csv\n")
    with pytest.raises(InvalidFile) as caught:
        read_promptfoo(load_promptfoo(tmp_path / "config.yaml"), "p")
    assert {where for where, _ in caught.value.problems} >= {"prompts[0]", "tests"}
