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
