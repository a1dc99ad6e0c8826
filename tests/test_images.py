"""How the packages of an image are read."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from reprolab.stack import images
from reprolab.stack.images import describe


@pytest.mark.parametrize(
    ("noted", "expected"), [("gcc 12.2\nlibc6-dev 2.36", {"gcc": "12.2", "libc6-dev": "2.36"}), ("", {})]
)
def test_what_an_image_was_built_with_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: str, expected: dict[str, str]
) -> None:
    """A build stage's compilers stand in a file of the image, where there is one; the other packages beside them."""
    file = tmp_path / "built-with"
    if noted:
        file.write_text(noted, encoding="utf-8")
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\necho deb apt 2.6\n", encoding="utf-8")
    (tmp_path / "dpkg-query").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def create(reference: str, entrypoint: list[str], **_: Any) -> Any:
        command = [part.replace(images.BUILT_WITH, str(file)) for part in entrypoint]
        listing = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        return SimpleNamespace(
            start=lambda: None,
            wait=lambda timeout: {"StatusCode": 0},
            logs=lambda **_: listing,
            remove=lambda **_: None,
        )

    there = SimpleNamespace(get=lambda reference: SimpleNamespace(id="sha256:1", attrs={}))
    client: Any = SimpleNamespace(images=there, containers=SimpleNamespace(create=create))
    found = describe(client, "app:1", tmp_path).packages
    assert found.get("built-with", {}) == expected
    assert found["deb"] == {"apt": "2.6"}


@pytest.mark.parametrize("text", ["", '{"deb": {"apt"', "[]", '{"deb": 1}', '{"deb": {"apt": null}}'])
def test_a_damaged_list_of_packages_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """It is a copy of what the image has: no question may end with it."""
    listed = {"deb": {"apt": "2.6"}}
    monkeypatch.setattr(images, "_packages", lambda client, reference: listed)
    client: Any = SimpleNamespace(images=SimpleNamespace(get=lambda name: SimpleNamespace(id="sha256:1", attrs={})))
    (tmp_path / "1.json").write_text(text, encoding="utf-8")
    assert describe(client, "app:1", tmp_path).packages == listed
    monkeypatch.setattr(images, "_packages", lambda client, reference: {})
    assert describe(client, "app:1", tmp_path).packages == listed, "from the file"
