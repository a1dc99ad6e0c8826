"""split-request: its signs on what was recorded, its patches, and one short pair of trials."""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cases import ROOT, main_of_patch
from lab import shown_in_pair
from reprolab.scenario import loader

NAME = "split-request"
DIRECTORY = ROOT / "scenarios" / NAME


@pytest.fixture(scope="module")
def split() -> ModuleType:
    """The experiment's module."""
    return sys.modules[loader.load(ROOT, NAME).experiments["split"].drive.__module__]


def answered(path: str, query: str = "", segments: int = 2) -> dict[str, Any]:
    """A request that was served."""
    seen = {"method": "GET", "path": path, "query": query}
    return {"segments": segments, "ending": "answered", "status": 200, "seen": seen}


CLOSED = {"segments": 2, "ending": "closed without answer", "status": None, "seen": None}
REFUSED = {"segments": 2, "ending": "answered", "status": 400, "seen": None}
# What was recorded of 0.17.5, of 0.17.4, and of 0.17.5 with the patch last-part.
FINE = {
    "requests": {
        "whole": answered("/public/admin", segments=1),
        **{f"in {place}": answered("/public/admin") for place in ("a name", "the method", "the version", "a header")},
        "at a slash": answered("/public/admin"),
        "whole query": answered("/public", "next=/admin", segments=1),
        "in the query": answered("/public", "next=/admin"),
    },
    "refused": 0,
}
MISREAD = {"at a slash": answered("/admin"), "in the query": answered("/admin")}
BROKEN = {"requests": {**FINE["requests"], **MISREAD, "in a name": CLOSED}, "refused": 1}
PATCHED = {"requests": {**FINE["requests"], **MISREAD, "in a name": REFUSED}, "refused": 1}

SIGNS = ["unanswered_for_its_url", "unanswered", "other_path", "other_path_from_query", "misread_in_the_url_only"]


@pytest.mark.parametrize("sign", SIGNS)
def test_every_sign_shows_in_the_broken_release_and_not_in_the_next(split: ModuleType, sign: str) -> None:
    """The two that were recorded differ in every sign, and both were exercised."""
    assert getattr(split, sign)(BROKEN) is True and getattr(split, sign)(FINE) is False
    assert split.understood_whole(BROKEN) and split.understood_whole(FINE)


def test_a_refusal_with_400_is_an_answer(split: ModuleType) -> None:
    """So the reintroduced fault shows in the other path, and not in the closed connection."""
    assert not split.unanswered(PATCHED) and split.other_path(PATCHED)
    assert not split.misread_in_the_url_only(PATCHED)


@pytest.mark.parametrize(
    ("sign", "name", "value"),
    [
        ("misread_in_the_url_only", "in the method", CLOSED),
        ("other_path", "at a slash", REFUSED),
        ("other_path_from_query", "in the query", answered("/public", "next=/admin")),
        ("understood_whole", "whole", CLOSED),
        ("understood_whole", "at a slash", answered("/admin", segments=1)),
    ],
)
def test_each_part_of_a_sign_counts(split: ModuleType, sign: str, name: str, value: dict[str, Any]) -> None:
    """One request changed, and the sign or the trigger is gone."""
    observation: dict[str, Any] = deepcopy(BROKEN)
    observation["requests"][name] = value
    assert getattr(split, sign)(BROKEN) and not getattr(split, sign)(observation)


def test_a_closed_connection_without_the_parsers_error_is_another_fault(split: ModuleType) -> None:
    """The thread names the error."""
    assert not split.unanswered_for_its_url({**BROKEN, "refused": 0})


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:46A0 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000
   1: 0100007F:46A0 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000
   2: 0100007F:C001 0100007F:46A0 01 00000000:00000007 00:00000000 00000000  1000
"""


@pytest.mark.parametrize(
    ("table", "bytes_left"),
    [
        (TABLE, 0),
        (TABLE.replace("1: 0100007F:46A0", "1: 0100007F:46A1"), -1),
        (TABLE.replace("01 00000000:00000000", "01 00000000:0000000B"), 11),
    ],
)
def test_only_the_servers_open_connections_count(split: ModuleType, table: str, bytes_left: int) -> None:
    """Not its listening socket, and not the client's side."""
    assert split.unread(SimpleNamespace(execute=lambda *_: (0, table))) == bytes_left


def test_the_log_is_searched_for_the_parsers_error(split: ModuleType) -> None:
    """Lines are bytes."""
    lines = [b"INFO", b"httptools.parser.errors.HttpParserInvalidURLError: invalid url b'lic/admin'"]
    assert split.observe(SimpleNamespace(lines=lambda _: lines), {})["refused"] == 1


def test_a_patch_that_does_not_fit_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fits the text of its own releases once; "none" reads nothing."""
    texts = {
        "joined": "class P:\n    # Parser callbacks\n    def on_url(self, url):\n        method = 1\n",
        "last-part": "class P:\n    # Parser callbacks\n    def on_url(self, url):\n        self.url += url\n",
    }
    package = tmp_path / "uvicorn" / "protocols" / "http"
    package.mkdir(parents=True)
    for folder in (tmp_path / "uvicorn", package.parent, package):
        (folder / "__init__.py").write_text("")
    file = package / "httptools_impl.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "uvicorn"]:
        monkeypatch.delitem(sys.modules, name)
    main_of_patch(NAME)("none")
    for name, other in (("joined", "last-part"), ("last-part", "joined")):
        file.write_text(texts[name])
        with pytest.raises(SystemExit, match="does not fit"):
            main_of_patch(NAME)(other)
        assert file.read_text() == texts[name]
        main_of_patch(NAME)(name)
        compile(file.read_text(), str(file), "exec")
        assert ("self.parts + url" if name == "joined" else "self.url = url") in file.read_text()
    with pytest.raises(SystemExit, match="unknown patch"):
        main_of_patch(NAME)("other")
    for name in [name for name in sys.modules if name.split(".")[0] == "uvicorn"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.docker
@pytest.mark.timeout(600)
def test_a_short_pair_on_real_containers(tmp_path: Path) -> None:
    """One trial of the documented stack and of the first good release: every sign is as recorded."""
    shown = shown_in_pair(tmp_path / "results", NAME, ("documented", "uvicorn-0.17.5"))
    assert shown and all(row == [1, 0] for row in shown.values()), shown
