"""KERNEL, a setting of the lab for the kernel that the containers run on.

It is no factor of a compose.yaml: a virtual machine with this kernel runs the trial. A cell carries it like a factor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reprolab.core import command_text
from reprolab.core.errors import UsageError

KERNEL = "KERNEL"
EXAMPLES = "5.10, 6.1.170 or 6.1.0-56-cloud-amd64"
TEXT = re.compile(r"\d[\w.+-]*")


def kernel_of(settings: Mapping[str, str]) -> str:
    """The kernel of a trial with these settings; "" for that of the engine in use."""
    return settings.get(KERNEL, "")


def check_kernel(text: str, where: str) -> None:
    """Raise UsageError for a text that cannot be the version of a kernel. Which there are, the distribution knows."""
    if TEXT.fullmatch(text) and ".." in text:
        raise UsageError(
            f"{where}: {KERNEL} has no ranges, as {text!r} would be",
            expected=f"each kernel by its name, such as {KERNEL}=5.10,6.1,6.12",
        )
    if "," in text:
        raise UsageError(
            f"{where}: {text!r} are several kernels",
            expected="one kernel; a matrix compares several",
            advice=command_text.ask("matrix", "SCENARIO", {"OVER": f"{KERNEL}={text}"}),
        )
    if not TEXT.fullmatch(text):
        raise UsageError(
            f"{where}: {KERNEL} is {text!r}", expected=f"a version of Linux or its first numbers: {EXAMPLES}"
        )
