"""Commands that are offered name the cluster, the namespace and the file that were typed."""

from __future__ import annotations

import pytest

from infercli.cli.aimed import aimed
from infercli.errors import ClusterError

BACK = "`infercli rollback chat` goes back; `infercli delete chat` takes it away"


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["status", "chat", "-n", "prod"], "-n prod"),
        (["status", "-nprod", "chat", "-o", "json"], "-nprod"),
        (
            ["status", "--target", "local", "--context=big one", "--target", "kubernetes"],
            "--target local '--context=big one' --target kubernetes",
        ),
        (["deploy", "-f", "a/deployment.yaml", "--reason", "x"], "-f a/deployment.yaml"),
        (["ask", "--kubeconfig", "k", "chat", "--", "-n", "is a flag?"], "--kubeconfig k"),
    ],
)
def test_what_was_typed_stands_behind_every_verb_that_takes_it(words, typed):
    said = aimed(BACK, words)
    assert said == f"`infercli rollback {typed} chat` goes back; `infercli delete {typed} chat` takes it away"


def test_what_a_command_says_itself_is_not_said_twice():
    offered = "`infercli deploy --target local` starts it; `infercli status chat` looks"
    assert aimed(offered, ["status", "--target=kubernetes", "-n", "a"]) == (
        "`infercli deploy -n a --target local` starts it; `infercli status --target=kubernetes -n a chat` looks"
    )


def test_nothing_is_added_to_other_commands_or_where_nothing_was_typed():
    assert aimed(BACK, ["status", "chat", "-n"]) == BACK
    for text in ("`infercli pin a/b`", "`infercli bench http://127.0.0.1:8000`", "`infercli status --help`"):
        assert aimed(text, ["bench", "-n", "prod"]) == text


def test_a_hint_leads_back_to_the_cluster_that_was_meant(infercli, monkeypatch):
    def connect(kubeconfig, context, namespace):
        raise ClusterError("busy", "`infercli status chat` says more")

    monkeypatch.setattr("infercli.adapters.cluster.client.connect", connect)
    ran = infercli("rollback", "chat", "--context", "prod", "-n", "live", "--target", "kubernetes")
    assert "`infercli status --context prod -n live --target kubernetes chat` says more" in ran.err
