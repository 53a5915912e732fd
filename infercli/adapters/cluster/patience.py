"""An API server that goes away while a release is changed: it is waited for, and what it did not answer is sent again.

All that such a command sends may be sent twice. An apply and a merge patch say what is to be, not what to add; of a
deletion that was done nothing is left to do; a creation, or a change of one resourceVersion, is done where what is
there is what was sent. What may not be is a write after somebody else took the lock: so the lock comes first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from infercli.core.units import duration


class Claim(Protocol):
    """The lock of the release."""

    def confirm(self) -> None:
        """Raises ReleaseBusy unless it is ours, or as good as."""

    def renewed(self) -> bool:
        """Renew it now; False: that cannot be told. Raises ReleaseBusy where it is another's."""


class Patience:
    """Of one command, for `up_to_s` in all."""

    def __init__(self, where: str, up_to_s: float, tell: Callable[[str], None] | None) -> None:
        self.where, self.end, self.tell = where, time.monotonic() + up_to_s, tell
        self.claim: Claim | None = None
        """None: it is being taken."""
        self._since: datetime | None = None
        """When the silence began; None: there is none."""
        self._told = False

    def before_write(self) -> None:
        """Raises ReleaseBusy where the lock is another's by now, or may be."""
        if self.claim is not None:
            self.claim.confirm()

    def wait(self, why: str, after_s: float = 1.0) -> bool:
        """Until the API server answers and the lock is ours; False: the time is over.

        Raises ReleaseBusy where the lock is another's by now. One that comes back within `after_s` is not spoken of.
        """
        if self._since is None:
            self._since = datetime.now(UTC)
        else:
            self._say(why)
        try:
            while time.monotonic() + after_s < self.end:
                time.sleep(after_s)
                if self.claim is None or self.claim.renewed():
                    return True
                self._say(why)
        except KeyboardInterrupt:
            self.interrupted()
            raise
        return False

    def _say(self, why: str) -> None:
        left_s = self.end - time.monotonic()
        if self.tell is not None and self._since is not None and not self._told and left_s > 0:
            self._told = True
            since = self._since.strftime("%Y-%m-%dT%H:%M:%SZ")
            self.tell(
                f"the API server of {self.where} has not answered since {since}: {why}; it is waited for, up to "
                f"{duration(left_s)}"
            )

    def answered(self) -> None:
        """The silence, if there was one, is over."""
        self._since, self._told = None, False

    def interrupted(self) -> None:
        """Who is waited for when Ctrl-C comes is not waited for again: going back would be the same wait."""
        if self._since is not None:
            self.end = time.monotonic()
