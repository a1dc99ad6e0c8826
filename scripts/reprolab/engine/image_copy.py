"""Copies images from one engine to another, as the docker command line of this machine reaches them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from reprolab.core.errors import EngineError

AT_ONCE = 100  # images in one stream
LIMIT = 3600.0  # seconds for one stream


def copy_images(docker: str, source: str, target: str, references: Sequence[str]) -> None:
    """Stream images from one engine to another. Raises EngineError."""
    for start in range(0, len(references), AT_ONCE):
        _copy(docker, source, target, references[start : start + AT_ONCE])


def _copy(docker: str, source: str, target: str, references: Sequence[str]) -> None:
    save = subprocess.Popen(
        [docker, "--host", source, "save", *references],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    load = subprocess.Popen(
        [docker, "--host", target, "load", "--quiet"],
        stdin=save.stdout,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        if save.stdout:
            save.stdout.close()  # the end of one program must reach the other
        _, errors = load.communicate(timeout=LIMIT)
        if load.returncode or save.wait(60):
            raise _failed(target, errors.decode("utf-8", "replace").strip() or f"docker save from {source} failed")
    except subprocess.TimeoutExpired as error:
        raise _failed(target, f"not finished after {LIMIT:g} s") from error
    finally:
        for process in (load, save):
            if process.poll() is None:
                process.kill()
            process.wait()


def _failed(endpoint: str, reason: str) -> EngineError:
    return EngineError(
        f"the images of this engine could not be loaded into {endpoint}: {reason}",
        expected="engines that the docker command line of this machine reaches, with free disk space",
    )
