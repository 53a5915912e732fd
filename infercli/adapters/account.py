"""Who acts, for records and locks that others read."""

from __future__ import annotations

import getpass
import os
import socket


def account() -> str:
    """`user@host`; `uid 1000660000@host` where no user has that id, as in the pods of OpenShift and of many a CI."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def who() -> str:
    """Who acts, for the record: $INFERCLI_USER, where several people share an account, else the account."""
    return os.environ.get("INFERCLI_USER") or account()


def holder() -> str:
    """Who holds a lock, and where: `mira (deploy@ci7 pid 41)`; `mira@laptop pid 41` where nobody is named."""
    process = f"{account()} pid {os.getpid()}"
    named = os.environ.get("INFERCLI_USER")
    return f"{named} ({process})" if named else process
