"""Opens pages in Chromium as a reader does, in a container without a network, of the project's image.

with browser() as chromium:
    seen = chromium.look(path, width=390, scheme="dark", open_details=True, selectors=["h1"], picture=(0, 1200))
    assert not seen.errors and not seen.overflow
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.models.containers import Container
from lab import ROOT
from reprolab.baseimage.resolve import policy
from reprolab.engine import labels
from reprolab.engine.detect import client, ensure_engine
from reprolab.scenario import loader
from reprolab.stack.prepare import StackPreparer, StackRequest

# The scenario and the service with images/chromium: its runs and these tests share the image.
SCENARIO, SERVICE = "enable-threads", "enable-threads-browser"
WIDTHS = (390, 1280, 1920)
PHONE, LAPTOP, PROJECTOR = WIDTHS
# Not one that stands in the page itself, or on another host: their addresses have a colon.
PICTURE = re.compile(r'<img [^>]*src="([^":]+)"')
SIGHTS = [(width, scheme) for width in WIDTHS for scheme in ("light", "dark")]


@dataclass(frozen=True)
class Seen:
    """What a reader sees of a page.

    ``errors``: exceptions, console errors and warnings, requests to any network. ``overflow``: elements that are wider
    than the window (except inside of scrolling elements) or cut off. ``texts``: those of the visible elements, by
    selector. ``value``: the value of the script. ``height`` in pixels. If asked for: ``picture``, a PNG,
    and ``pdf``, the page as it is printed.
    """

    errors: list[str]
    overflow: list[str]
    texts: Mapping[str, list[str]]
    value: Any
    height: int
    picture: bytes = b""
    pdf: bytes = b""


@dataclass(frozen=True)
class Chromium:
    """The browser's container."""

    container: Container

    def look(
        self,
        page: Path,
        width: int,
        *,
        height: int = 900,
        scheme: str = "light",
        open_details: bool = False,
        selectors: Sequence[str] = (),
        script: str = "",
        picture: tuple[int, int] | None = None,
        pdf: bool = False,
    ) -> Seen:
        """Open a page, with the pictures that it has in files of their own, in a window of this size (pixels).

        ``script`` runs before anything is read, for instance to click. ``picture`` is the part of the page for a
        screenshot, from and to in pixels from its top. With ``pdf`` the page is printed at the end.
        """
        request = {
            "page": "/tmp/page.html",
            "width": width,
            "height": height,
            "scheme": scheme,
            "open": open_details,
            "selectors": list(selectors),
            "script": script,
            "pictures": [[*picture, "/tmp/page.png"]] if picture else [],
            "pdf": "/tmp/page.pdf" if pdf else "",
        }
        self._put({"page.html": page.read_bytes(), "request.json": json.dumps(request).encode(), **_pictures(page)})
        done = self.container.exec_run(
            ["python3", "/tmp/look.py", "/tmp/request.json"], environment={"PYTHONPATH": "/srv"}, demux=True
        )
        out, err = (part or b"" for part in done.output)
        assert done.exit_code == 0, f"look.py: exit code {done.exit_code}: {err.decode()[-2000:]}"
        shot, printed = (
            self._get(file) if asked else b"" for file, asked in (("/tmp/page.png", picture), ("/tmp/page.pdf", pdf))
        )
        return Seen(**json.loads(out), picture=shot, pdf=printed)

    def version(self) -> str:
        """The name and the version of the browser."""
        return self.container.exec_run(["chromium", "--version"]).output.decode().strip()

    def _put(self, files: Mapping[str, bytes]) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
        assert self.container.put_archive("/tmp", packed.getvalue())

    def _get(self, path: str) -> bytes:
        chunks, _ = self.container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            stream = archive.extractfile(archive.next() or path)
            assert stream is not None
            return stream.read()


def _pictures(page: Path) -> dict[str, bytes]:
    """The pictures beside a page, by their address in it. One that is missing is an error of the page."""
    files = {name: page.parent / name for name in PICTURE.findall(page.read_text(encoding="utf-8"))}
    return {name: file.read_bytes() for name, file in files.items() if file.is_file()}


@contextmanager
def browser() -> Iterator[Chromium]:
    """A container with Chromium and no network, removed at the end; `reprolab clean` removes a leftover."""
    container = client().containers.run(
        _image(),
        detach=True,
        init=True,
        network_mode="none",
        labels=labels.object_labels(SCENARIO, "tests"),
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit="2g",
        pids_limit=1000,
    )
    try:
        chromium = Chromium(container)
        chromium._put({"look.py": Path(__file__).with_name("look.py").read_bytes()})
        yield chromium
    finally:
        container.remove(force=True, v=True)


def _image() -> str:
    """The name of the image; built if it is missing, as a run builds it."""
    scenario = loader.load(ROOT, SCENARIO)
    preparer = StackPreparer(ensure_engine(print), client(), policy(os.environ), print)
    (model,) = preparer.models(scenario, [StackRequest({}, scenario.experiments["two-clients"])], {})
    model["services"] = {SERVICE: model["services"][SERVICE]}
    with tempfile.TemporaryDirectory() as workspace:
        preparer.build(model, Path(workspace))
    name: str = model["services"][SERVICE]["image"]
    return name
