"""Signs a bundle's checksums with an SSH key, and checks the signature. Both are done by ssh-keygen."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from reprolab.core.errors import BundleError, UsageError
from reprolab.core.subprocesses import CommandError, run

NAMESPACE = "reprolab"
LIMIT = 60.0  # seconds


def sign(text: bytes, key: Path) -> bytes:
    """A signature of ``text``. Raises UsageError if the key is missing, BundleError if it cannot be used."""
    if not key.is_file():
        raise UsageError(f"no file {key}", expected="an SSH key", advice="ssh-keygen -t ed25519 -f KEY makes one")
    with TemporaryDirectory() as directory:
        file = Path(directory, "text")
        file.write_bytes(text)
        try:
            run([_program(), "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(file)], timeout=LIMIT)
        except CommandError as error:
            raise BundleError(
                f"the bundle cannot be signed with {key}: {error.finished.tail}",
                expected="a private SSH key without a passphrase, or a public one whose private key an agent holds",
                advice="ssh-keygen -t ed25519 -f KEY makes one; ssh-add KEY gives it to an agent",
            ) from error
        return file.with_suffix(".sig").read_bytes()


def check(text: bytes, signature: bytes, signers: Path, bundle: Path) -> str:
    """The name of the signer of ``text``, one of the file ``signers``. Raises BundleError for all others, UsageError if
    ``signers`` is missing.
    """
    if not signers.is_file():
        raise UsageError(f"no file {signers}", expected="lines of `NAME KEY`, as ssh-keygen(1) describes them")
    if not signature:
        raise _not_signed(bundle, "it has no signature", signers)
    with TemporaryDirectory() as directory:
        file = Path(directory, "text.sig")
        file.write_bytes(signature)
        common = ["-f", str(signers), "-s", str(file)]
        try:
            principals = run([_program(), "-Y", "find-principals", *common], timeout=LIMIT)
            name = (principals.stdout.strip().splitlines() or [""])[0]
            verify = [_program(), "-Y", "verify", *common, "-n", NAMESPACE, "-I", name]
            run(verify, timeout=LIMIT, stdin=text.decode("utf-8"))
        except (CommandError, UnicodeDecodeError) as error:
            reason = error.finished.tail if isinstance(error, CommandError) else "its checksums are no text"
            raise _not_signed(bundle, reason or "the signature is of another text", signers) from error
    return name


def _not_signed(bundle: Path, reason: str, signers: Path) -> BundleError:
    return BundleError(
        f"{bundle} is not signed by one of {signers}: {reason}",
        expected="the bundle as one of these signers made it",
        advice="get it again from its maker; nothing was changed on this machine",
    )


def _program() -> str:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise BundleError("ssh-keygen is not on the PATH", expected="OpenSSH 8.1 or later", advice="install it")
    return program
