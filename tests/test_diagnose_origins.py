"""Several services in one log: whose line it is, and which release and settings held when a case showed."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnose_excerpts import EXCERPTS_FOLDER, cases, read
from reprolab import LogLine, Step
from reprolab.diagnose.assess import Level
from reprolab.diagnose.matcher import Block, Plan, Progress
from reprolab.diagnose.origins import MOST_ORIGINS, Origins
from reprolab.diagnose.session import Question, diagnose

LOG = read(EXCERPTS_FOLDER / "socket-vanish-heroku.txt").files["web.log"]
START, FAULT = LOG[: LOG.index("[2026-03-02 07:31:09")], LOG[LOG.index("[2026-03-02 07:31:09") :]
SETTINGS = "gunicorn --threads 4 --bind unix:/srv/run/shop.sock --max-requests 10 shop"


def level(tmp_path: Path, log: str, name: str = "socket-vanish", **options: tuple) -> Level | None:
    """What is said of a case."""
    file = tmp_path / "app.log"
    file.write_bytes(log.encode())
    answer = diagnose(cases(), Question((str(file),), **options))
    return next((row.level for row in answer.assessments if row.scenario == name), None)


def named(prefix: str, text: str) -> str:
    """The text with a prefix before each line."""
    return "".join(f"{prefix}{line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("web-1  | ", "api-1  | "),
        ("Mar  2 07:31:09 host1 shop[77]: ", "Mar  2 07:31:09 host1 blog[78]: "),
        ("2026-03-02T07:31:09.123456+0000 host1 shop[77]: ", "2026-03-02T07:31:09.123456+0000 host2 shop[77]: "),
        ("[pod/web-1/app] ", "[pod/web-2/app] "),
        ("2026-03-02T07:31:09.123456+00:00 app[web.1]: ", "2026-03-02T07:31:09.123456+00:00 app[web.2]: "),
    ],
)
def test_lines_of_two_services_are_no_sequence(tmp_path: Path, first: str, second: str) -> None:
    """However their collector writes the names. Lines of the same service are, also between those of another."""
    restart, traceback = FAULT.split("\n", 1)
    start = named(first, START)
    assert level(tmp_path, start + named(first, restart) + named(second, traceback)) is None
    other = named(second, START.replace("19.6.0", "20.1.0").replace("threads", "sync"))
    assert level(tmp_path, start + other + named(first, FAULT) + other) == Level.MATCHES


def test_the_number_of_a_line_is_that_in_the_whole_log(tmp_path: Path) -> None:
    """Also where its block has the lines of one service only."""
    file = tmp_path / "app.log"
    file.write_text("".join(f"a  | {line}\nb  | noise\n" for line in LOG.splitlines()))
    (row,) = [row for row in diagnose(cases(), Question((str(file),))).assessments if row.level == Level.MATCHES]
    lines = file.read_text().splitlines()
    assert [lines[match.line - 1] for match in row.matches] == [match.text.decode() for match in row.matches]


def test_a_log_without_names_is_one_service() -> None:
    """Levels and tables are no names; and a hostile log cannot make endlessly many."""
    for line in (b"2026-03-02T07:31:09Z INFO app: x\n", b"[x] plain\n", b"  | in a table\n"):
        block = Block("a.log", line * 50, 0)
        assert Origins().split(block) == [block]
    many = b"".join(b"service-%d  | x\n" % number for number in range(5000))
    assert len(Origins().split(Block("a.log", many, 0))) <= MOST_ORIGINS + 1


@pytest.mark.parametrize(
    "change", [("\n", "\r\n"), ("[INFO]", "\x1b[32m[INFO]\x1b[0m"), ("in run", "in \x1b[35mrun\x1b[0m")]
)
def test_colours_and_other_ends_of_lines_hide_nothing(tmp_path: Path, change: tuple[str, str]) -> None:
    """Compose and new Pythons colour parts of a line; a log may come by way of Windows."""
    assert level(tmp_path, LOG.replace(*change)) == Level.MATCHES


@pytest.mark.parametrize(
    ("log", "options", "expected"),
    [
        (FAULT + START, {}, Level.COULD_BE),  # the start of the release that it names came later
        (FAULT + START.replace("19.6.0", "20.1.0"), {}, Level.COULD_BE),  # an upgrade after it excuses nothing
        (FAULT, {"versions": ("gunicorn=19.6",)}, Level.MATCHES),
        (FAULT, {"versions": ("gunicorn=19.6.0rc1",)}, Level.COULD_BE),  # no run on record has a pre-release
        (FAULT, {"versions": ("gunicorn=19.6.0+fix",)}, Level.COULD_BE),
    ],
)
def test_only_a_release_that_is_known_to_have_run_counts(
    tmp_path: Path, log: str, options: dict, expected: Level
) -> None:
    """A log may begin after the start, and name later starts only."""
    assert level(tmp_path, log, commands=(SETTINGS,), **options) == expected


def test_of_two_releases_that_contradict_each_other_none_is_taken(tmp_path: Path) -> None:
    """As in a list for two Pythons. The one that the user names in the command counts before all lists."""
    listed = tmp_path / "requirements.txt"
    listed.write_text('gunicorn==19.6.0 ; python_version<"3.8"\ngunicorn==20.1.0 ; python_version>="3.8"\n')
    options = {"commands": (SETTINGS,), "requirements": (listed,)}
    assert level(tmp_path, FAULT, **options) == Level.COULD_BE
    assert level(tmp_path, FAULT, **options, versions=("gunicorn=19.6",)) == Level.MATCHES
    assert level(tmp_path, FAULT, **options, versions=("gunicorn=20.1.0",)) == Level.NOT_THIS


def test_groups_of_two_names_are_about_two_things() -> None:
    """`same_x` must be the same text in all steps, `other_x` must be another one."""
    steps = [
        Step("one starts", [LogLine("x", "starts", r"(?P<same_first>\w+) starts")]),
        Step("another starts", [LogLine("x", "starts", r"(?P<other_first>\w+) starts")]),
        Step("the first stops", [LogLine("x", "stopped", r"(?P<same_first>\w+) stopped")]),
    ]
    for log, complete in (
        (b"a starts\nb starts\na stopped\n", True),
        (b"a starts\na starts\na stopped\n", False),
        (b"a starts\nb starts\nb stopped\n", False),
    ):
        progress = Progress(Plan.of(steps))
        progress.feed(Block("a.log", log, 0))
        assert progress.complete is complete


def test_what_another_service_had_excludes_nothing(tmp_path: Path) -> None:
    """A worker of another one that really failed says nothing of this one; of the same one it does."""
    hook = read(EXCERPTS_FOLDER / "exit-code-3-running.txt").files["app.log"]
    failed = "[2026-05-30 10:00:00 +0000] [9] [ERROR] Exception in worker process\n"
    other = named("api-1  | ", failed)
    assert level(tmp_path, other + named("web-1  | ", hook), "exit-code-3") == Level.MATCHES
    (tmp_path / "other.log").write_text(failed)
    (tmp_path / "web.log").write_text(hook)
    answer = diagnose(cases(), Question((str(tmp_path / "other.log"), str(tmp_path / "web.log"))))
    assert next(row.level for row in answer.assessments if row.scenario == "exit-code-3") == Level.MATCHES
    assert level(tmp_path, failed + hook, "exit-code-3") == Level.NOT_THIS
