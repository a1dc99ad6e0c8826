"""The run directory: its files, the state after a crash, and the errors of a full disk."""

from __future__ import annotations

import builtins
import errno
import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cases import trial, write_run_json
from reprolab.core import files
from reprolab.core.errors import EvidenceError, Exit, UsageError
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory, TrialDirectory
from reprolab.evidence.run_info import RunInfo

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A new run."""
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    return lookup.create_run(tmp_path, "blink", NOON)


# -- trials ---------------------------------------------------------------------------------------


def test_missing_streams_are_not_the_log_of_the_service(tmp_path: Path) -> None:
    """A service with a log file of its own has its streams in another file. Without that they are its log."""
    evidence = TrialDirectory(tmp_path)
    evidence.log_path("app").write_bytes(gzip.compress(b"a line of the log file\n"))
    assert list(evidence.streams("app")) == [b"a line of the log file\n"]
    of_lab, with_file = {"reprolab.scenario": "blink"}, {"reprolab.scenario": "blink", "reprolab.log": "/var/log/app"}
    services = {"blink-app": {"labels": of_lab}, "blink-old-app": {"labels": with_file}}
    evidence.write("compose.json", {"services": services})
    assert list(evidence.streams("app")) == [b"a line of the log file\n"]
    evidence.write("compose.json", {"services": services | {"blink-app": {"labels": with_file}}})
    with pytest.raises(FileNotFoundError, match=r"app\.streams\.log\.gz"):
        list(evidence.streams("app"))
    evidence.streams_path("app").write_bytes(gzip.compress(b"a line of the streams\n"))
    assert list(evidence.streams("app")) == [b"a line of the streams\n"]


@pytest.mark.parametrize(
    "model",
    [
        [],
        {"services": []},
        {"services": {"blink-app": "text"}},
        {"services": {"blink-app": {"labels": ["reprolab.log"]}}},
        {"services": {"blink-app": {"labels": 7}}},
    ],
    ids=str,
)
def test_a_damaged_compose_file_is_named(tmp_path: Path, model: object) -> None:
    """The file's name and what was expected, in place of a traceback."""
    evidence = TrialDirectory(tmp_path)
    evidence.write("compose.json", model)
    with pytest.raises(UsageError, match=r"compose\.json does not have the lab's format"):
        list(evidence.streams("app"))


def test_trials_come_back_as_they_were(run: RunDirectory) -> None:
    """The order and all characters are kept."""
    texts = "é × 日本\u2028next\u0085line\x0cform", 'quote " and \\ and\nnewline\r\n'
    rows = [trial(shown=text, number=n, invalid=text, seconds={"up": 0.5}) for n, text in enumerate(texts, 1)]
    for row in rows:
        run.append(row)
    assert run.trials() == rows
    assert (run.path / "trials.jsonl").read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("lost", [1, 2, 3, 20])
def test_a_torn_last_line_is_skipped(run: RunDirectory, lost: int) -> None:
    """After a power failure only the last trial is lost, wherever its line was cut."""
    first, second = trial(number=1), trial(number=2, invalid="日本語" * 5)
    run.append(first)
    run.append(trial(number=2, observation={}, invalid="日本語" * 5))
    content = (run.path / "trials.jsonl").read_bytes()
    (run.path / "trials.jsonl").write_bytes(content[:-lost])
    numbers = [row.trial for row in run.trials()]
    assert numbers == ([1, 2] if lost == 1 else [1])
    assert second.trial == 2


def test_a_line_torn_within_a_character(run: RunDirectory) -> None:
    """Half a character is a torn line, not an error."""
    run.append(trial(number=1))
    with (run.path / "trials.jsonl").open("ab") as stream:
        stream.write('{"experiment": "日'.encode()[:-1])
    assert [row.trial for row in run.trials()] == [1]


def test_no_trials_yet(run: RunDirectory) -> None:
    """A run that ended before its first trial has none."""
    assert run.trials() == []


def test_each_trial_is_on_disk_before_the_next(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """When append() returns, the line is complete in the file and synced."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    run.append(trial())
    assert synced == [(run.path / "trials.jsonl").stat().st_size]


# -- run directories ------------------------------------------------------------------------------


def test_two_runs_in_the_same_second(tmp_path: Path, run: RunDirectory) -> None:
    """Each has its own name, and the names sort in the order of the starts."""
    names = [run.name] + [lookup.create_run(tmp_path, "blink", NOON).name for _ in range(2)]
    assert names == ["20260102T120000Z", "20260102T120000Z-2", "20260102T120000Z-3"]


def test_latest_names_the_newest(tmp_path: Path, run: RunDirectory) -> None:
    """The link is relative, so that results can be moved, and no draft of it remains."""
    lookup.point_latest(run)
    second = lookup.create_run(tmp_path, "blink", NOON)
    lookup.point_latest(second)
    link = tmp_path / "results" / "blink" / "latest"
    assert str(link.readlink()) == second.name
    assert [path.name for path in link.parent.iterdir() if path.name.startswith(".")] == []


def test_runs_are_found_by_path_by_stamp_and_by_scenario(
    tmp_path: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All four ways to name a run lead to the same directory."""
    write_run_json(run)
    lookup.point_latest(run)
    monkeypatch.chdir(tmp_path)
    for where in (str(run.path), f"results/blink/{run.name}", f"blink/{run.name}", "blink/latest", "blink"):
        assert lookup.open_run(tmp_path, where) == run
    with pytest.raises(UsageError, match="no run 'blonk'"):
        lookup.open_run(tmp_path, "blonk")


def test_a_name_without_a_run(tmp_path: Path, run: RunDirectory) -> None:
    """The message has the closest name, the newest runs, and the command that makes one."""
    for name in ("blink", "socket-vanish"):
        (tmp_path / "scenarios" / name).mkdir(parents=True)
        (tmp_path / "scenarios" / name / "compose.yaml").touch()
    message = str(lookup.no_run(tmp_path, "blonk"))
    assert "(did you mean blink?): blink has no run yet" in message
    assert "reprolab run blink, then again" in message
    assert "NAME is one of blink, socket-vanish" in str(lookup.no_run(tmp_path, "zzz"))
    runs = [run, *(lookup.create_run(tmp_path, "blink", NOON.replace(hour=hour)) for hour in (13, 14, 15))]
    for each_run in runs:
        write_run_json(each_run)
    newest = "there are blink/20260102T150000Z, blink/20260102T140000Z, blink/20260102T130000Z and 1 older"
    for where in ("zzz", "blonk", "results/blink/2027", "blink/20260102T15000Z"):
        assert newest in str(lookup.no_run(tmp_path, where))
    assert "did you mean" not in str(lookup.no_run(tmp_path, "zzz"))
    assert "(did you mean blink/20260102T150000Z?)" in str(lookup.no_run(tmp_path, "blink/20260102T15000Z"))
    assert f"(did you mean blink/{run.name}?)" in str(lookup.no_run(tmp_path, run.name))
    assert "reprolab run socket-vanish, then again" in str(lookup.no_run(tmp_path, "soket"))


def test_results_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REPROLAB_RESULTS sets their directory; an empty value is ignored."""
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "else"))
    assert lookup.create_run(tmp_path, "blink").path.parent == tmp_path / "else" / "blink"
    monkeypatch.setenv("REPROLAB_RESULTS", "")
    assert lookup.results_root(tmp_path) == tmp_path / "results"


def test_runs_of_a_scenario(tmp_path: Path, run: RunDirectory) -> None:
    """Oldest first; neither the link nor a directory without run.json counts."""
    later = lookup.create_run(tmp_path, "blink", NOON.replace(hour=13))
    lookup.create_run(tmp_path, "blink", NOON.replace(hour=14))
    for each_run in (later, run):
        write_run_json(each_run)
    lookup.point_latest(later)
    assert lookup.runs_of(tmp_path, "blink") == [run, later]


# -- a trial's files ------------------------------------------------------------------------------


def test_a_trials_files(run: RunDirectory) -> None:
    """JSON, text and logs are in the trial's directory, which is created by the first write."""
    place = run.trial("lamp", "documented", 2)
    assert not place.path.exists()
    place.write("wrk.json", {"requests": 1, "text": "日本"})
    place.write_text("wrk.txt", "as printed\n")
    place.log_path("app").write_bytes(gzip.compress(b"one\ntwo"))
    assert place.path == run.path / "lamp" / "documented" / "2"
    assert files.read_json(place.path / "wrk.json") == {"requests": 1, "text": "日本"}
    assert "日本" in (place.path / "wrk.json").read_text(encoding="utf-8")
    assert list(place.lines("app")) == [b"one\n", b"two"]


def test_two_threads_may_write_one_file(tmp_path: Path) -> None:
    """Each thread has its own draft."""
    target = tmp_path / "x.json"
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(files.write_json, target, {"n": n}) for n in range(400)]:
            future.result()
    assert list(tmp_path.iterdir()) == [target]


def test_json_is_never_half_written(tmp_path: Path) -> None:
    """After an error the old content is unchanged and no draft remains."""
    target = tmp_path / "verdict.json"
    files.write_json(target, {"old": 1})
    with pytest.raises(TypeError):
        files.write_json(target, {"new": object()})
    assert files.read_json(target) == {"old": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_no_draft_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error of the disk the old file is unchanged and no draft remains."""
    target = tmp_path / "verdict.json"
    files.write_json(target, {"old": 1})
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(EvidenceError, match=r"verdict\.json"):
        files.write_json(target, {"new": 2})
    assert files.read_json(target) == {"old": 1}
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b"{", "not JSON"), (b"\xff", "not JSON")])
def test_json_that_cannot_be_read(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """The message names the missing or broken file."""
    target = tmp_path / "run.json"
    if content is not None:
        target.write_bytes(content)
    with pytest.raises(UsageError, match=reason) as caught:
        files.read_json(target)
    assert str(target) in str(caught.value)


# -- a disk that is full --------------------------------------------------------------------------


def full(*_: Any, **__: Any) -> Any:
    """Raise the error of a full disk."""
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("trials.jsonl", lambda run: run.append(trial())),
        ("run.json", lambda run: run.write_info(RunInfo("blink", status="running"))),
        ("wrk.json", lambda run: run.trial("lamp", "documented", 1).write("wrk.json", {})),
        ("wrk.txt", lambda run: run.trial("lamp", "documented", 1).write_text("wrk.txt", "text")),
    ],
)
def test_a_full_disk_names_the_file(run: RunDirectory, monkeypatch: pytest.MonkeyPatch, file: str, write: Any) -> None:
    """The lab fails with exit status 4; the message has the file, the reason and what to do."""
    monkeypatch.setattr(Path, "open", full)
    monkeypatch.setattr(builtins, "open", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(EvidenceError) as caught:
        write(run)
    assert caught.value.exit_status is Exit.LAB_FAILED
    assert "No space left on device" in str(caught.value)
    assert file in str(caught.value)
    assert "REPROLAB_RESULTS=DIR" in str(caught.value)


def test_no_room_for_the_directory_or_the_link(
    tmp_path: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the link or the directory that could not be made."""
    monkeypatch.setattr(Path, "symlink_to", full)
    with pytest.raises(EvidenceError, match=r"No space left.*latest"):
        lookup.point_latest(run)
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(EvidenceError, match=r"No space left.*blink"):
        lookup.create_run(tmp_path, "blink")


def test_a_results_directory_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong REPROLAB_RESULTS is an EvidenceError that names the path."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REPROLAB_RESULTS", str(tmp_path / "file"))
    with pytest.raises(EvidenceError, match=r"could not be written.*file/blink"):
        lookup.create_run(tmp_path, "blink")


def test_a_missing_log_is_an_error(tmp_path: Path) -> None:
    """A log that was never captured is not an empty log."""
    with pytest.raises(FileNotFoundError):
        list(TrialDirectory(tmp_path).lines("app"))
