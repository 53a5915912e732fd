"""Every failure that infercli raises on purpose, and the exit codes that scripts may rely on.

    InferError                      1
    ├── InputError                  2   what was typed or written must change
    │   ├── UnknownName             2   a name that no table has; the nearest are offered
    │   └── InvalidFile             2   a file with problems, all of them listed
    ├── Unsupported                 4   a thing nobody has taught infercli yet: no answer rather than a guess
    ├── HubError                    1   the Hub refused, is unreachable, or does not have it
    ├── ClusterError                1   the Kubernetes API refused or is unreachable
    ├── RayError                    1   Ray refused, died, or is unreachable
    │   └── RayGone                 1   there is none
    ├── EndpointError               1   an OpenAI-compatible endpoint did not answer as one
    ├── DeployFailed                1   a new engine or its routing failed
    ├── ReleaseBusy                 1   somebody else is changing the release
    ├── NotConfirmed                3   who was asked whether to go on said no
    ├── TimedOut                    5   the deadline passed; how to go on is in the hint
    └── Interrupted               130   Ctrl-C or SIGTERM; how to go on is in the hint

"No" is not a failure: a plan that does not fit, a drift, a failed gate are values, and their command exits with 3.
Standard library only: this module is imported by `infercli --help`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command."""

    YES = 0
    COULD_NOT = 1
    USAGE = 2
    NO = 3
    CANNOT_TELL = 4
    TIMED_OUT = 5
    BUG = 70
    INTERRUPTED = 130

    @classmethod
    def of(cls, answer: bool | None) -> ExitCode:
        """Of an answer to the question that a command was asked; None: it cannot be told."""
        return cls.CANNOT_TELL if answer is None else cls.YES if answer else cls.NO


class InferError(Exception):
    """What happened and where (`message`, one sentence without a full stop), and what to do next (`hint`)."""

    exit_code: ExitCode = ExitCode.COULD_NOT

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(InferError):
    """A flag, an argument, or a file's content must change."""

    exit_code = ExitCode.USAGE


def any_of(names: Sequence[str]) -> str:
    """`a`, `b` or `c`: what somebody may have meant."""
    quoted = [f"`{name}`" for name in names]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


class UnknownName(InputError):
    """A name that no table has. The hint offers the nearest known ones, or all when there are few."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str | None = None) -> None:
        import difflib  # only here: `--help` does without it

        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        folded = {n.lower(): n for n in names}
        if not near:
            near = [folded[n] for n in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.4)]
        if not near and len(names) <= 12:
            near = names
        if near and hint:
            hint = f"did you mean {any_of(near)}? {hint[0].upper()}{hint[1:]}"
        elif near:
            hint = f"did you mean {any_of(near)}?"
        super().__init__(f"unknown {kind} `{name}`", hint)
        self.kind = kind
        self.nearest = tuple(near)


class InvalidFile(InputError):
    """A file with problems: each is (where in the file, what is wrong); all are reported at once."""

    def __init__(self, path: str, problems: Sequence[tuple[str, str]], hint: str | None = None) -> None:
        lines = [f"{path}: {where}: {what}" if where else f"{path}: {what}" for where, what in problems]
        super().__init__("\n".join(lines), hint)
        self.path = path
        self.problems = tuple(problems)


class Unsupported(InferError):
    """Something that infercli has no facts about. The message names it, the hint names the file to extend."""

    exit_code = ExitCode.CANNOT_TELL


class HubError(InferError):
    """The Hugging Face Hub refused, is unreachable, or has no such thing."""


class ClusterError(InferError):
    """The Kubernetes API refused or is unreachable."""


class RayError(InferError):
    """Ray refused, died, or is unreachable."""


class RayGone(RayError):
    """No Ray runs here, and none comes back by itself."""


class EndpointError(InferError):
    """An OpenAI-compatible endpoint is unreachable or did not answer as one."""


class DeployFailed(InferError):
    """A step of a rollout failed. `said`: all that was said of it, where the message is only the cause."""

    def __init__(self, message: str, hint: str | None = None, said: str | None = None) -> None:
        super().__init__(message, hint)
        self.said = said


class ReleaseBusy(InferError):
    """Somebody else holds the lock of the release."""


class TimedOut(InferError):
    """A deadline passed."""

    exit_code = ExitCode.TIMED_OUT


class NotConfirmed(InferError):
    """Somebody was asked first, and said no."""

    exit_code = ExitCode.NO


class Interrupted(InferError):
    """Ctrl-C or SIGTERM arrived; the record says how far the work came."""

    exit_code = ExitCode.INTERRUPTED
