"""Prints one line of JSON: this kernel's release, and the error number that it gives for SO_REUSEPORT, or null.

The container asks it of its own kernel, wherever it runs.
"""

import json
import os
import socket


def answer(family):
    """The number of the error for this option on a socket of the family, or None."""
    with socket.socket(family) as asked:
        try:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError as error:
            return error.errno
    return None


if __name__ == "__main__":
    answers = {"unix": answer(socket.AF_UNIX), "tcp": answer(socket.AF_INET)}
    print(json.dumps({"kernel": {"release": os.uname().release, **answers}}), flush=True)
