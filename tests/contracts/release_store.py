"""What every ReleaseStore does: run on the directory of this machine always, on the Secrets of a real API server too.

A subclass has a fixture `store`, and `another`: a store over the same place, as somebody else's process has it.
"""

from __future__ import annotations

import pytest

from infercli.core.release import Measured, Progress, Revision, Serving
from infercli.errors import ReleaseBusy
from tests.core.builders import FRONT, entry


def revision(number: int, *, name: str = "chat", quantization: str = "none") -> Revision:
    return entry(number, quantization).revision.model_copy(update={"name": name})


GOOD = Progress(
    outcome="good",
    step="shift",
    serving=Serving(generation=1001, front=FRONT, engines={"chat-3f9a1c": 1}, routes={"chat-3f9a1c": 100}),
    message="ValueError: “scales” are missing\n  in line 2",
    said="Traceback (most recent call last):\n  …",
    finished_at="2026-01-01T00:00:09Z",
    seconds=8.741,
    measured=Measured(
        result="3f9a1c3f9a1c", at="2026-01-02T00:00:00Z", load="16 at a time", answered=200, output_tokens_per_s=723.4,
        ttft_p95_s=0.7, tpot_p50_s=None, client_limited=False, planned_output_tokens_per_s=(477.0, 1096.0),
    ),
)  # fmt: skip


class ReleaseStoreContract:
    def test_where_nothing_was_recorded_there_is_nothing(self, store):
        assert list(store.names()) == []
        assert list(store.entries("chat")) == []
        assert store.lease("chat") is None
        store.forget("chat")
        with store.changing("chat", "deploy"):
            pass
        assert list(store.names()) == []

    def test_a_revision_comes_back_as_it_was_and_is_pending(self, store, another):
        store.append(revision(1))
        (found,) = another.entries("chat")
        assert found.revision == revision(1)
        assert found.progress == Progress()
        assert list(another.names()) == ["chat"]

    def test_history_is_oldest_first_also_beyond_nine(self, store):
        for number in (2, 10, 1, 9):
            store.append(revision(number))
        assert [e.number for e in store.entries("chat")] == [1, 2, 9, 10]

    def test_a_number_is_taken_once_and_the_first_stays(self, store, another):
        store.append(revision(1))
        with pytest.raises(ReleaseBusy, match="revision 1 of chat exists"):
            another.append(revision(1, quantization="int8"))
        assert store.entries("chat")[0].revision == revision(1)

    def test_progress_replaces_what_was_there_and_leaves_the_revision(self, store, another):
        store.append(revision(1))
        store.append(revision(2))
        store.progress("chat", 1, Progress(step="add"))
        store.progress("chat", 1, GOOD)
        first, second = another.entries("chat")
        assert first.progress == GOOD
        assert first.revision == revision(1)
        assert second.progress == Progress()

    def test_releases_do_not_see_one_another(self, store):
        store.append(revision(1))
        store.append(revision(1, name="chat-2"))
        assert list(store.names()) == ["chat", "chat-2"]
        assert [e.revision.name for e in store.entries("chat")] == ["chat"]
        store.forget("chat")
        assert list(store.names()) == ["chat-2"]
        assert list(store.entries("chat")) == []

    def test_one_revision_is_forgotten_and_the_others_stay(self, store, another):
        for number in (1, 2):
            store.append(revision(number))
            store.progress("chat", number, GOOD)
        for _ in range(2):
            store.forget("chat", 1)
            assert [(e.number, e.progress) for e in another.entries("chat")] == [(2, GOOD)]
        store.append(revision(1))
        assert another.entries("chat")[0].progress == Progress()

    def test_only_one_changes_a_release_at_a_time_and_the_other_reads_who(self, store, another):
        with store.changing("chat", "deploy"):
            held = another.lease("chat")
            assert held is not None
            assert held.operation == "deploy"
            with pytest.raises(ReleaseBusy, match=r"changed by .*deploy since"), another.changing("chat", "rollback"):
                pytest.fail("two held the lock")
            with another.changing("other", "deploy"):
                pass
        assert another.lease("chat") is None
        with another.changing("chat", "rollback"):
            pass

    def test_the_lock_is_given_back_when_the_work_fails(self, store, another):
        with pytest.raises(ZeroDivisionError), store.changing("chat", "deploy"):
            raise ZeroDivisionError
        with another.changing("chat", "deploy"):
            pass

    def test_the_holder_goes_on_recording_while_it_holds(self, store):
        with store.changing("chat", "deploy"):
            store.append(revision(1))
            store.progress("chat", 1, GOOD)
        assert store.entries("chat")[0].progress == GOOD
