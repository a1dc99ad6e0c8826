"""The keys of x-reprolab by which a visitor finds a case: its servers, its kinds, and the variants that are releases.

Which releases are affected is not among them. That is computed from the recorded run (publish/measured_releases.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reprolab.core.config_file import hint
from reprolab.core.errors import UsageError

SERVER_KEY, KIND_KEY, RELEASES_KEY = "server", "kind", "releases"
KEYS = (SERVER_KEY, KIND_KEY, RELEASES_KEY)
KINDS = ("hang", "lost request", "wrong answer", "security", "leak", "start", "stop", "settings")
# Any other server may be named. These have one spelling, or a filter would list them twice.
SPELLINGS = ("gunicorn", "uWSGI", "uvicorn", "hypercorn", "waitress", "daphne", "granian", "nginx", "h2o")


@dataclass(frozen=True)
class CatalogueEntry:
    """``servers`` and ``kinds`` are in the order of the file. ``releases`` is variant -> release, such as "19.6.0".

    The variants are those of the main claim's experiment. Where the release is not the server's, the text begins with a
    name: "CPython 3.7.16".
    """

    servers: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    releases: Mapping[str, str] = field(default_factory=dict)


def read_entry(block: Mapping[str, Any], where: str) -> CatalogueEntry:
    """Read the three keys of x-reprolab. Raises UsageError that names a malformed one and what is expected there."""
    servers = _texts(
        block.get(SERVER_KEY), f"{where}: x-reprolab.{SERVER_KEY}", "a server, or a list: " + _list(SPELLINGS)
    )
    kinds = _texts(block.get(KIND_KEY), f"{where}: x-reprolab.{KIND_KEY}", "one or more of " + _list(KINDS))
    for server in servers:
        known = {name.lower(): name for name in SPELLINGS}.get(server.lower(), server)
        if known != server:
            raise UsageError(f"{where}: x-reprolab.{SERVER_KEY} is {server!r}", expected=f"the spelling {known}")
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(
                f"{where}: x-reprolab.{KIND_KEY} names {kind!r}{hint(kind, KINDS)}",
                expected="one or more of " + _list(KINDS),
            )
    return CatalogueEntry(servers, kinds, _releases(block.get(RELEASES_KEY), f"{where}: x-reprolab.{RELEASES_KEY}"))


def check_releases(
    releases: Mapping[str, str], variants: Mapping[str, Mapping[str, str]], factors: Mapping[str, str], where: str
) -> None:
    """Check that each variant exists and runs the release that it is said to run.

    ``variants`` is variant -> changed factors, ``factors`` factor -> documented value. A value of a factor in force
    must contain the number, such as 1.22.1 in `1.22.1-*`.
    """
    names = {text.rpartition(" ")[0] for text in releases.values()}
    if len(names) > 1:
        raise UsageError(
            f"{where} has releases of {len(names)} projects: {_list(sorted(name or 'the server' for name in names))}",
            expected="releases of one project",
        )
    for variant, release in releases.items():
        if variant not in variants:
            raise UsageError(
                f"{where} names {variant!r}, no variant of the main claim's experiment{hint(variant, variants)}",
                expected="one of " + _list(variants),
            )
        in_force = {**factors, **variants[variant]}
        if not any(release.rpartition(" ")[2] in value for value in in_force.values()):
            raise UsageError(
                f"{where}.{variant} is {release!r}, and no factor has that value there",
                expected="the release that the variant runs, in "
                + _list(f"{name}={value}" for name, value in in_force.items()),
            )


def _releases(content: object, where: str) -> dict[str, str]:
    if content is None:
        return {}
    expected = 'VARIANT: the release that it runs, as text in quotation marks: {documented: "19.6.0"}'
    if not isinstance(content, dict) or not content:
        raise UsageError(f"{where} is {content!r}", expected=expected)
    for variant, text in content.items():
        # YAML reads 19.10 as the number 19.1.
        if not isinstance(text, str) or not text.rpartition(" ")[2][:1].isdigit():
            raise UsageError(f"{where}.{variant} is {text!r}", expected=expected)
    return {str(variant): " ".join(text.split()) for variant, text in content.items()}


def _texts(content: object, where: str, expected: str) -> tuple[str, ...]:
    """A text or a list of texts, without repetition; nothing for a missing key."""
    texts: list[Any] = content if isinstance(content, list) else [] if content is None else [content]
    if not all(isinstance(text, str) and text.strip() for text in texts) or content == []:
        raise UsageError(f"{where} is {content!r}", expected=expected)
    return tuple(dict.fromkeys(text.strip() for text in texts))


def _list(words: Any) -> str:
    return ", ".join(words)
