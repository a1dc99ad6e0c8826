"""The stack of tests/data/adopt with its secrets, which no file of this repository has."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

from cases import ROOT

STACK = ROOT / "tests/data/adopt"
PASSWORD, API_KEY, TLS = "correct-horse-battery", "sk_" + "live_0123456789abcdef", "tls-key-of-the-shop"
TOKEN = "token-from-the-env-file"
SECRETS = (PASSWORD, API_KEY, TLS, TOKEN)


def stack(folder: Path) -> Path:
    """A copy of the stack with its .env, an environment file and a key; returns its Compose file."""
    copy = folder / "shop"
    shutil.copytree(STACK, copy)
    (copy / ".env").write_text(f"DB_PASSWORD={PASSWORD}\nSTRIPE={API_KEY}\nGREETING=good day\n", encoding="utf-8")
    (copy / "settings.env").write_text(f"API_TOKEN={TOKEN}\nLEVEL=debug\nTOKEN_TTL=3600\n", encoding="utf-8")
    (copy / "web/.env").write_text(f"API_TOKEN={TOKEN}\n", encoding="utf-8")
    (copy / "tls.key").write_text(TLS, encoding="utf-8")
    return copy / "docker-compose.yml"


def with_secrets(folder: Path) -> Iterator[str]:
    """The files below a directory that have one of the secrets in them, also in compressed ones."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" and content else content
            for secret in SECRETS:
                if secret.encode() in content:
                    yield f"{path.relative_to(folder)}: {secret}"
