"""The lock by its clock: what a machine that sleeps, a clock that is set, and an API server that is silent do to it.

As much of an API server as keeps one Lease, and a clock that only the test moves; test_release_secrets.py has the real
one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from infercli.adapters.cluster import lease
from infercli.adapters.cluster.errors import Exists, Stale
from infercli.adapters.cluster.lease import ANSWER_S, DURATION_S, FRESH_S, RENEW_S, HeldLease, describe
from infercli.errors import ClusterError, InputError, ReleaseBusy

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Clock:
    """Of this machine, and of the API server."""

    def __init__(self):
        self.passed_s = 1000.0

    def now(self):
        return T0 + timedelta(seconds=self.passed_s)


class Leases:
    namespace = "prod"

    def __init__(self, clock):
        self.clock, self.lease, self.version = clock, None, 0
        self.timeouts_s = set()
        self.faults = []
        """Raised one after another, by whichever call comes; None: none."""

    def now(self):
        return self.clock.now()

    def _changed(self, body):
        self.version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return self.lease

    def _fault(self):
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault

    def create(self, body):
        if self.lease is not None:
            raise Exists("Lease infercli.chat exists already")
        return self._changed(body)

    def get(self, _api_version, _kind, _name, *, timeout_s=None):
        self.timeouts_s |= {timeout_s} - {None}
        self._fault()
        return self.lease

    def merge(self, _api_version, _kind, _name, patch, *, timeout_s=None):
        self.timeouts_s |= {timeout_s} - {None}
        self._fault()
        if self.lease is None:
            raise ClusterError('leases "infercli.chat" not found')
        if patch["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Stale("Lease infercli.chat was changed by somebody else at the same time")
        metadata = {**self.lease["metadata"], **patch["metadata"]}
        return self._changed({**self.lease, **patch, "metadata": metadata, "spec": self.lease["spec"] | patch["spec"]})

    def delete(self, _api_version, _kind, _name, *, resource_version):
        if self.lease is None:
            return
        if resource_version != self.lease["metadata"]["resourceVersion"]:
            raise Stale("Lease infercli.chat was changed by somebody else at the same time")
        self.lease = None


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(lease, "_elapsed_s", lambda: clock.passed_s)
    return clock


@pytest.fixture
def leases(clock):
    return Leases(clock)


@pytest.fixture
def take(leases):
    """Claims whose renewals are the test's to call."""
    taken = []

    def make(operation="deploy", *, break_lock=False):
        held = HeldLease(leases, "infercli.chat", "chat", operation)
        held._thread = Still()
        held.take(break_lock=break_lock)
        taken.append(held)
        return held

    return make


class Still:
    """No thread."""

    started = False

    def start(self):
        self.started = True

    def join(self):
        pass


def test_a_machine_that_slept_past_its_claim_goes_on_where_nobody_took_it_and_else_stops(clock, leases, take):
    held = take()
    assert held._thread.started
    clock.passed_s += DURATION_S + 1
    held.check()
    held.confirm()
    assert leases.lease["spec"]["renewTime"] == "2026-01-02T03:21:16.000000Z"
    clock.passed_s += DURATION_S + 1
    other = take("rollback")
    held.check()  # it has not asked yet
    with pytest.raises(ReleaseBusy, match="somebody else took the lock of chat"):
        held.confirm()
    with pytest.raises(ReleaseBusy):
        held.check()
    other.confirm()


def test_who_took_an_expired_claim_and_gave_it_back_is_noticed(clock, leases, take):
    held = take()
    clock.passed_s += DURATION_S + 1
    take("rollback").give_back()
    with pytest.raises(ReleaseBusy, match=r"somebody else took it and gave it back, or Lease .* was deleted"):
        held.confirm()


def test_a_claim_that_ran_out_while_the_api_server_was_silent_is_not_relied_on(clock, leases, take):
    held = take()
    silent = ClusterError("no answer")
    clock.passed_s += DURATION_S
    leases.faults = [silent, silent]  # the renewal, and the look after it
    held.confirm()
    clock.passed_s += 0.001
    leases.faults = [silent, silent]
    with pytest.raises(ReleaseBusy, match="could not be renewed for 30 s"):
        held.confirm()
    with pytest.raises(ReleaseBusy):
        held.confirm()


def test_the_time_in_a_claim_is_the_api_servers_whatever_becomes_of_the_clock_here(clock, leases, take):
    held = take()
    assert leases.lease["spec"]["acquireTime"] == leases.lease["spec"]["renewTime"] == "2026-01-02T03:20:45.000000Z"
    clock.passed_s += RENEW_S
    held.confirm()
    assert leases.lease["spec"]["renewTime"] == "2026-01-02T03:20:53.000000Z"
    assert leases.lease["spec"]["acquireTime"] == "2026-01-02T03:20:45.000000Z"
    who = describe(leases, "infercli.chat")
    assert (who.operation, who.acquired_at, who.expires_at) == (
        "deploy", "2026-01-02T03:20:45Z", "2026-01-02T03:21:23Z",
    )  # fmt: skip


def test_a_claim_that_is_renewed_holds_and_one_that_is_not_runs_out_to_the_second(clock, leases, take):
    held = take()
    for _ in range(10):
        clock.passed_s += DURATION_S - 1
        held.confirm()
        with pytest.raises(ReleaseBusy, match=r"chat is being changed by .*deploy since 2026-01-02T03:20:45Z"):
            take("rollback")
    clock.passed_s += DURATION_S - 0.001
    assert describe(leases, "infercli.chat") is not None
    clock.passed_s += 0.001
    assert describe(leases, "infercli.chat") is None
    take("rollback").confirm()
    assert describe(leases, "infercli.chat").operation == "rollback"
    held.give_back()
    assert describe(leases, "infercli.chat").operation == "rollback"


def test_who_has_the_lock_is_told_with_what_to_type_and_it_can_be_broken(leases, take):
    held = take()
    with pytest.raises(ReleaseBusy) as busy:
        take("rollback")
    assert "`infercli status chat`" in busy.value.hint
    assert "its claim runs out at 2026-01-02T03:21:15Z; --break-lock takes it" in busy.value.hint
    other = take("rollback", break_lock=True)
    leases.clock.passed_s += FRESH_S + 0.1
    with pytest.raises(ReleaseBusy, match="somebody else took the lock of chat"):
        held.confirm()
    held.give_back()
    other.confirm()
    assert describe(leases, "infercli.chat").operation == "rollback"
    other.give_back()
    assert leases.lease is None


@pytest.mark.parametrize("fault", [ClusterError("no answer"), InputError("there is no namespace `prod`")])
def test_renewals_that_fail_are_made_up_for_while_the_claim_holds(clock, leases, take, fault):
    held = take()
    clock.passed_s += RENEW_S
    leases.faults = [fault, fault]
    held._renew()
    clock.passed_s += RENEW_S
    leases.faults = [fault]
    held._renew()  # the look after it says that it is ours, and was not renewed
    clock.passed_s += DURATION_S - 2 * RENEW_S
    leases.faults = [fault, fault]
    held.confirm()
    held._renew()
    clock.passed_s += DURATION_S
    leases.faults = [fault, fault]
    held.confirm()
    assert leases.timeouts_s == {ANSWER_S}


def test_a_claim_of_another_infercli_holds_for_as_long_as_it_says(clock, leases, take):
    take()
    leases.lease["spec"]["leaseDurationSeconds"] = 300
    clock.passed_s += 299
    with pytest.raises(ReleaseBusy):
        take("rollback")
    del leases.lease["spec"]["renewTime"]
    take("rollback").confirm()


def test_a_claim_just_taken_is_ours_without_asking_also_one_that_ran_out(clock, leases, take):
    silent = [ClusterError("no answer")] * 2
    for operation in ("deploy", "rollback"):
        held = take(operation)
        leases.faults = [*silent]
        held.confirm()
        assert leases.faults == silent
        leases.faults = []
        clock.passed_s += DURATION_S


def test_whether_a_renewal_was_done_is_told_and_where_nobody_knows_it_is_no(clock, leases, take):
    held = take()
    clock.passed_s += RENEW_S
    assert held.renewed()
    clock.passed_s += RENEW_S
    leases.faults = [ClusterError("no answer")] * 2
    assert not held.renewed()
    take("rollback", break_lock=True)
    with pytest.raises(ReleaseBusy, match="somebody else took the lock of chat"):
        held.renewed()


def test_a_renewal_whose_answer_was_lost_was_one(clock, leases, take):
    held, merge = take(), leases.merge

    def lost(*words, **more):
        merge(*words, **more)
        raise ClusterError("no answer")

    leases.merge = lost
    clock.passed_s += DURATION_S
    held._renew()
    clock.passed_s += DURATION_S
    leases.merge, leases.faults = merge, [ClusterError("no answer"), ClusterError("no answer")]
    held.confirm()
    leases.faults = []
    held.confirm()
    held.give_back()
    assert leases.lease is None


def test_who_records_asks_first_whether_the_lock_was_broken_since_the_newest_renewal(clock, leases, take):
    held = take()
    take("rollback", break_lock=True)
    held.confirm()  # within a second nobody is asked
    clock.passed_s += FRESH_S + 0.1
    held.check()
    with pytest.raises(ReleaseBusy, match="somebody else took the lock of chat"):
        held.confirm()


def test_a_claim_is_kept_until_it_is_given_back_or_lost(leases, take):
    held = take()
    waits = []

    def wait(timeout_s):
        waits.append(timeout_s)
        return len(waits) == 3

    held._done.wait = wait
    held._keep()
    assert (waits, leases.version) == ([RENEW_S] * 3, 3)
    leases.lease = None
    held._done.wait = lambda _: False
    held._keep()
    with pytest.raises(ReleaseBusy, match="the lock of chat is gone"):
        held.check()


def test_a_lock_that_goes_to_another_between_the_look_and_the_claim_is_not_taken_twice(clock, leases, take):
    take()
    clock.passed_s += DURATION_S
    get = leases.get

    def late(*words, **more):
        found = get(*words, **more)
        leases.get = get
        take("delete")
        return found

    leases.get = late
    with pytest.raises(ReleaseBusy, match="somebody else took the lock of chat just now"):
        take("rollback")
    leases.get = lambda *_, **__: None
    with pytest.raises(ReleaseBusy, match="given back just now"):
        take("rollback")


def test_what_holds_a_lease_for_another_program_is_no_claim_once_it_says_nobody(leases, take):
    take()
    leases.lease["spec"]["holderIdentity"] = ""
    assert describe(leases, "infercli.chat") is None
    take("rollback").confirm()


def test_a_clock_that_counts_sleep_is_the_one_that_is_read(monkeypatch):
    read = []
    monkeypatch.setattr(lease.time, "clock_gettime", lambda which: read.append(which) or 7.0)
    assert lease._elapsed_s() == 7.0
    assert read == [lease.time.CLOCK_BOOTTIME]
