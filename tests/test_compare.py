"""compare: the two sides, the facts, the kinds of line, the logs side by side, the terminal and the page."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import ROOT, claim, in_memory, lay_out, recorded_run, trial, write_run_json
from click.testing import CliRunner, Result
from reprolab.cli import main
from reprolab.compare import comparison as compare_runs
from reprolab.compare import differences, facts, html, line_counts, log_reader, select, terminal
from reprolab.compare import side_by_side as aligned
from reprolab.compare.comparison import Comparison, compare
from reprolab.compare.differences import Finding, Standing
from reprolab.core import files
from reprolab.core.errors import Exit
from reprolab.evidence import lookup
from reprolab.evidence.run_dir import RunDirectory
from reprolab.scenario import loader
from rich.console import Console

TRACEBACK = """Traceback (most recent call last):
  File "/srv/sock.py", line 123, in close
    os.unlink(path)
FileNotFoundError: [Errno 2] No such file or directory: '/tmp/s'
"""


def stamped(text: str, second: int = 0) -> bytes:
    """A log with the engine's timestamps; the lines are one millisecond apart."""
    rows = [(second * 1000 + n, row) for n, row in enumerate(text.splitlines())]
    return b"".join(f"2026-01-02T12:00:{ms // 1000:02}.{ms % 1000:03}000000Z {row}\n".encode() for ms, row in rows)


def write_log(run: RunDirectory, variant: str, number: int, content: bytes, name: str = "app.log.gz") -> Path:
    """Write a log to a trial's directory."""
    path = run.trial("lamp", variant, number).path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def make_run(root: Path, logs: dict[str, Sequence[str]], **changes: Any) -> RunDirectory:
    """A run of the small scenario; each variant has one log per trial."""
    run = lookup.create_run(root, "blink")
    plan = [{"experiment": "lamp", "variant": name, "factors": {}, "trials": len(of)} for name, of in logs.items()]
    content = {"started": "2026-01-02", "status": "complete", "plan": plan}
    write_run_json(run, **content | {"factors": {"RELEASE": "1.0", "WORKERS": "2"}} | changes)
    for name, texts in logs.items():
        for number, text in enumerate(texts, 1):
            factors = {"RELEASE": "0.9"} if name == "old" else {}
            run.append(trial(name, name != "old", number, factors=factors))
            write_log(run, name, number, stamped(text))
    return run


def compared(root: Path, *words: str, **options: Any) -> Comparison:
    """Compare two sides like the command line."""
    left, right = select.find(root, words, options.get("variants", ()), options.get("force", False))
    warnings = select.check(left, right, options.get("force", False))
    return compare(left, right, options.get("scenario"), warnings, options.get("only", ()), lambda text: None)


def printed(comparison: Comparison, width: int = 160) -> str:
    """The output in a terminal of this width."""
    stream = io.StringIO()
    terminal.render(Console(file=stream, width=width, no_color=True), comparison)
    return stream.getvalue()


def by_line(comparison: Comparison) -> dict[str, Finding]:
    """The findings by their normalized lines."""
    return {finding.normalized.partition("\n")[0]: finding for finding in comparison.findings}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary checkout with the small scenario."""
    monkeypatch.setenv("REPROLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("REPROLAB_RESULTS", raising=False)
    lay_out(tmp_path)
    return tmp_path


def lab(*arguments: str) -> Result:
    """Run `reprolab compare`."""
    return CliRunner().invoke(main.main, ["compare", *arguments])


# -- the two sides ---------------------------------------------------------------------------------


def test_the_forms_of_the_command_line(home: Path) -> None:
    """A run and two variants, a run and one variant, two runs, or two runs and two variants."""
    run = make_run(home, {"documented": ["a", "b"], "old": ["c"]})
    other = make_run(home, {"documented": ["d"], "custom": ["e"]})

    def pair(*words: str, variants: Sequence[str] = ()) -> list[tuple[str, str]]:
        return [(side.run.name, side.label) for side in select.find(home, words, variants)]

    assert pair(str(run.path), "old", "documented") == [(run.name, "old"), (run.name, "documented")]
    assert pair(str(run.path), "old") == [(run.name, "documented"), (run.name, "old")]
    assert pair(str(run.path), "documented:2", "lamp/old:1") == [(run.name, "documented:2"), (run.name, "old:1")]
    assert pair(str(run.path), str(other.path)) == [(run.name, "documented"), (other.name, "documented")]
    assert pair(str(run.path), str(other.path), variants=["old", "custom"]) == [
        (run.name, "old"),
        (other.name, "custom"),
    ]


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["RUN"], ["a run and two variants, or two runs", "RUN VARIANT VARIANT"]),
        (["RUN", "documented"], ["is on both sides"]),
        (["RUN", "odl"], ["has no variant 'odl' (did you mean old?)", "expected: one of documented, old"]),
        (["RUN", "old:9"], ["has no trial 9 of old", "expected: one of 1"]),
        (["RUN", "old:x"], ["names no variant", "documented:2"]),
        (["RUN", "broken"], ["has no valid trial", "it did not start", "--force", "reprolab run blink --variant"]),
        (
            ["RUN", "later"],
            ["the run is aborted (Ctrl-C), and ended before it", "--variant documented --variant later"],
        ),
        (["nowhere", "old"], ["no run 'nowhere'"]),
        (["RUN", "OTHER"], ["the scenarios differ (blink, shine)", "--force"]),
    ],
)
def test_refusals_say_what_to_do(home: Path, words: list[str], texts: list[str]) -> None:
    """Different scenarios and variants without a valid trial end with status 2, the reason and the next step."""
    run = make_run(
        home, {"documented": ["a"], "old": ["b"], "broken": [], "later": []}, status="aborted", reason="Ctrl-C"
    )
    run.append(trial("broken", invalid="it did not start\nlast words"))
    other = make_run(home, {"documented": ["a"]}, scenario="shine")
    result = lab(*[{"RUN": str(run.path), "OTHER": str(other.path)}.get(word, word) for word in words])
    assert result.exit_code == Exit.USAGE, result.output
    for text in texts:
        assert text in result.output


def test_force_gives_a_warning(home: Path) -> None:
    """--force compares different scenarios and invalid trials, with a warning."""
    run = make_run(home, {"documented": ["a"], "broken": []})
    run.append(trial("broken", invalid="it did not start"))
    write_log(run, "broken", 1, stamped("ImportError: no"))
    other = make_run(home, {"documented": ["b"]}, scenario="shine", schema=2)
    forced = lab(str(run.path), str(other.path), "--force")
    assert forced.exit_code == 0, forced.output
    assert "compared by force, though run.json is of schema 1 on the left and 2 on the right" in forced.output
    assert "compared by force, though the scenarios differ (blink, shine)" in forced.output
    assert "ImportError: no" in lab(str(run.path), "broken", "--force").output


def test_the_warning_has_the_reason_of_an_invalid_trial(home: Path) -> None:
    """This holds for a variant without valid trials, and for one invalid trial of a variant with valid ones."""
    run = make_run(home, {"documented": ["a"], "broken": [], "old": ["b"]})
    run.append(trial("broken", invalid="it did not start\nlast words"))
    run.append(trial("old", number=2, invalid="it fell over"))
    comparison = compared(home, str(run.path), "broken", force=True)
    reason = "compared by force, though broken has no valid trial; trial 1: it did not start"
    assert comparison.warnings == (reason,)
    assert f"! {reason}" in printed(comparison)
    assert reason in html.render(comparison)
    assert compared(home, str(run.path), "old:2", force=True).warnings == (
        "compared by force, though trial 2 of old is invalid; trial 2: it fell over",
    )


def several(root: Path) -> RunDirectory:
    """A run of two experiments that share one variant, without logs."""
    run = lookup.create_run(root, "blink")
    known = [("lamp", "documented"), ("lamp", "old"), ("bell", "documented"), ("bell", "loud")]
    plan = [{"experiment": e, "variant": v, "factors": {}, "trials": 1} for e, v in known]
    write_run_json(run, started="2026-01-02", status="complete", plan=plan)
    for experiment, variant in known:
        run.append(trial(variant, experiment=experiment))
    lookup.point_latest(run)
    return run


@pytest.mark.parametrize("words", [("documented", "loud"), ("loud", "documented"), ("loud",)])
def test_the_other_side_decides_the_experiment(home: Path, words: tuple[str, ...]) -> None:
    """`documented` is in both experiments, but `loud` only in one."""
    run = several(home)
    assert [side.experiment for side in select.find(home, (str(run.path), *words), ())] == ["bell", "bell"]


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (
            ["blink", "documented:1", "documented"],
            [
                "has 'documented' in several experiments: lamp, bell",
                "reprolab compare blink lamp/documented:1 lamp/documented\n",
                "reprolab compare blink bell/documented:1 bell/documented\n",
            ],
        ),
        (["blink", "OTHER"], ["reprolab compare blink OTHER --variant lamp/documented\n"]),
        (["blink", "documented", "bell/lou"], ["has no variant 'bell/lou' (did you mean bell/loud?)"]),
        (["blink", "blimk"], ["'blimk' is neither a run nor a variant of", "(did you mean blink?)"]),
        (["blink", "blink"], ["documented of", "on both sides", "compare blink/", "documented VARIANT"]),
        (["blink", "lamp/old", "old"], ["old of", "on both sides", "reprolab compare blink/", "lamp/old VARIANT"]),
        (
            ["blink", "blink", "--variant", "lamp/documented"],
            ["on both sides", "lamp/documented VARIANT; or", "reprolab compare blink/STAMP blink/"],
        ),
    ],
)
def test_ambiguous_and_unknown_names_are_refused(home: Path, words: list[str], texts: list[str]) -> None:
    """The message has complete commands, or the most similar name."""
    other = several(home)
    several(home)
    result = lab(*[str(other.path) if word == "OTHER" else word for word in words])
    assert result.exit_code == Exit.USAGE, result.output
    for text in texts:
        assert text.replace("OTHER", str(other.path)) in result.output


def test_a_newer_run_without_the_variants_is_not_blamed(home: Path) -> None:
    """The name that is none is told, else the command for a run that has both."""
    run = lookup.create_run(home, "blink")
    plan = [{"experiment": "lamp", "variant": "custom", "factors": {"RELEASE": "0.9"}, "trials": 1}]
    write_run_json(run, started="2026-01-02", status="complete", plan=plan)
    run.append(trial("custom"))
    lookup.point_latest(run)
    mistyped, missing = lab("blink", "documented", "od"), lab("blink", "documented", "old")
    assert "blink has no variant 'od' (did you mean old?)" in mistyped.output and run.name not in mistyped.output
    assert "no run of blink has documented and old" in missing.output
    assert "reprolab run blink --variant documented --variant old" in missing.output
    assert mistyped.exit_code == missing.exit_code == Exit.USAGE


def test_a_page_that_cannot_be_written_is_a_usage_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing directory is reported before the comparison. A full disk is reported too."""
    run = make_run(home, {"documented": ["a"], "old": ["b"]})
    result = lab(str(run.path), "old", "--html", str(home / "nowhere" / "x.html"))
    assert result.exit_code == Exit.USAGE
    assert "there is no directory" in result.output
    assert "name another file: --html FILE" in result.output
    assert "what stands out" not in result.output

    def full(*words: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    result = lab(str(run.path), "old", "--html", str(home / "x.html"))
    assert result.exit_code == Exit.USAGE
    assert "x.html could not be written: No space left on device" in result.output


def test_a_page_is_written_over_a_page_only(home: Path) -> None:
    """A file of another kind may be anything; it stays as it was."""
    run = make_run(home, {"documented": ["a"], "old": ["b"]})
    notes, page = home / "notes.txt", home / "page.html"
    notes.write_text("mine", encoding="utf-8")
    page.write_text("<!DOCTYPE html>old", encoding="utf-8")
    refused = lab(str(run.path), "old", "--html", str(notes))
    assert (refused.exit_code, notes.read_text(encoding="utf-8")) == (Exit.USAGE, "mine")
    assert "another file is there" in refused.output
    assert lab(str(run.path), "old", "--html", str(page)).exit_code == Exit.AS_RECORDED
    assert "Made from recorded files" in page.read_text(encoding="utf-8")


def test_the_zero_of_the_times_is_explained(home: Path) -> None:
    """The terminal and the page explain it."""
    run = make_run(home, {"documented": ["a"], "old": ["b"]})
    comparison = compared(home, str(run.path), "old")
    for text in (printed(comparison), html.render(comparison)):
        assert "imes are seconds since the first line of the trial" in text


def test_an_aborted_run_gives_a_warning(home: Path) -> None:
    """The trials that an aborted run completed are compared."""
    run = make_run(home, {"documented": ["a"], "old": ["b"]}, status="aborted")
    warnings = compared(home, str(run.path), "old").warnings
    assert warnings == (f"the run {run.name} is aborted: what ended before is compared",)


# -- lines -----------------------------------------------------------------------------------------


def test_a_traceback_is_one_entry(tmp_path: Path) -> None:
    """Its exception is first. Lines of other threads within it are entries of their own."""
    torn = TRACEBACK.replace("    os.unlink", "GET / 200\n    os.unlink")
    path = tmp_path / "app.log.gz"
    path.write_bytes(gzip.compress(stamped(f"begin\n{torn}end")))
    entries = [entry.text.split("\n") for entry in log_reader.Log(path).entries()]
    frames = ['  File "/srv/sock.py", line 123, in close', "    os.unlink(path)"]
    error = "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/s'"
    assert entries == [["begin"], ["GET / 200"], [error, *frames], ["end"]]


def test_an_incomplete_traceback_is_single_lines(tmp_path: Path) -> None:
    """A server that was killed may leave one; no line of it is lost."""
    path = tmp_path / "app.err"
    path.write_text("Traceback (most recent call last):\n  File x\n")
    assert [entry.text for entry in log_reader.Log(path).entries()] == [
        "Traceback (most recent call last):",
        "  File x",
    ]


def test_a_torn_file_and_a_long_line(tmp_path: Path) -> None:
    """A torn gzip file gives the lines before the tear. A line of megabytes is cut once."""
    path = tmp_path / "app.log.gz"
    path.write_bytes(gzip.compress(b"a" * 9_000 + b"\nb\n" + b"c" * 90_000, compresslevel=0)[:-12])
    log = log_reader.Log(path)
    read = list(log.raw_lines())
    assert [len(read[0]), read[1], len(read)] == [log_reader.LONGEST, b"b\n", 3]
    assert log.remarks == ("damaged: it is torn, as it ends too early",)
    assert not log.cut


def test_the_number_of_lines_is_limited(tmp_path: Path) -> None:
    """The log notes whether it has more lines."""
    path = tmp_path / "app.log"
    path.write_bytes(b"x\n" * 10)
    log = log_reader.Log(path, most=4)
    assert [len(list(log.raw_lines())), log.cut] == [4, True]
    log = log_reader.Log(path, most=10)
    assert [len(list(log.raw_lines())), log.cut] == [10, False]


@pytest.mark.parametrize(
    ("line", "nanoseconds"),
    [
        (b"2026-01-02T12:00:00Z x\n", 1767355200_000_000_000),
        (b"2026-01-02T12:00:00.500000000Z x\n", 1767355200_500_000_000),
        (b'127.0.0.1 - - [..] "GET /" 200 1 "-" "-" 1767355200500000 0.25\n', 1767355200_500_000_000),
        (b"[2026-01-02 12:00:00 +0000] [7] [INFO] x\n", 1767355200_000_000_000),
        (b"[2026-01-02 06:00:00 -0600] [7] [INFO] x\n", 1767355200_000_000_000),
        (b"2026/01/02 12:00:00 [error] 7#7: x\n", None),
        (b"no clock\n", None),
    ],
)
def test_the_time_of_a_line(line: bytes, nanoseconds: int | None) -> None:
    """The engine's timestamp, or the time in the line if it has a time zone; else None."""
    assert log_reader.moment(line) == nanoseconds


# -- kinds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "other", "trials", "expected"),
    [
        ((4, 4, 4), (0, 0, 0), (3, 3), Standing.ONLY),
        ((4, 0, 4), (0, 0, 0), (3, 3), Standing.CHANCE),
        ((1, 1), (0, 1), (2, 1), Standing.CHANCE),
        ((1,), (0,), (1, 1), Standing.ONLY),
        ((100, 90), (20, 9), (2, 2), Standing.MORE),
        ((100, 90), (20, 30), (2, 2), None),
        ((4,), (1,), (1, 1), None),
        ((0,), (5,), (1, 1), None),
    ],
)
def test_the_standing_of_a_kind(counts: Any, other: Any, trials: Any, expected: Standing | None) -> None:
    """In all trials of one side only; perhaps by chance; more often by a wide margin; no difference."""
    assert differences.standing(counts, other, trials) is expected


def test_a_certain_difference_is_before_a_possible_chance(home: Path) -> None:
    """A grave line in one of two trials of a variant is after a plain line in both."""
    run = make_run(home, {"documented": ["sure\nERROR: by chance", "sure"], "old": ["other", "other"]})
    comparison = compared(home, str(run.path), "old", "documented")
    order = [finding.normalized for finding in comparison.findings]
    assert order.index("sure") < order.index("ERROR: by chance")
    assert by_line(comparison)["ERROR: by chance"].standing is Standing.CHANCE
    assert "not in every trial of a variant" in printed(comparison)


def test_other_trials_of_a_variant_show_chance(home: Path) -> None:
    """If one trial is named, the other trials of its variant still show that a line may be missing by chance."""
    run = make_run(home, {"documented": ["a\nnow and then", "a"], "old": ["a", "a"]})
    comparison = compared(home, str(run.path), "documented:1", "old:1")
    finding = by_line(comparison)["now and then"]
    assert finding.standing is Standing.CHANCE
    assert finding.counts == ((1,), (0,))


def test_the_order_of_lines_is_no_difference(home: Path) -> None:
    """Parallel workers write the same lines in any order."""
    rows = [f"worker {n} begins\nworker {n} ends" for n in range(4)]
    run = make_run(home, {"documented": ["\n".join(rows)], "old": ["\n".join(reversed(rows))]})
    assert compared(home, str(run.path), "old").findings == []


def test_more_lines_in_a_longer_log(home: Path) -> None:
    """In a log of ten times the length, more plain lines have a low standing; more errors do not."""
    text = "GET 200\nstep\nERROR: boom\n"
    run = make_run(home, {"documented": [text * 30], "old": [text * 3]})
    standings = {
        normalized: finding.standing for normalized, finding in by_line(compared(home, str(run.path), "old")).items()
    }
    assert standings == {"GET 200": Standing.ALONG, "step": Standing.ALONG, "ERROR: boom": Standing.MORE}


def test_a_changed_line_is_one_finding(home: Path) -> None:
    """A line with another release on each side is one finding with both lines."""
    run = make_run(home, {"documented": ["Starting gunicorn 19.6.0"], "old": ["Starting gunicorn 19.5.0"]})
    (finding,) = compared(home, str(run.path), "old").findings
    assert finding.standing is Standing.CHANGED
    assert [seen.text for seen in finding.first if seen] == ["Starting gunicorn 19.6.0", "Starting gunicorn 19.5.0"]


def test_numbered_lines_are_one_finding(home: Path) -> None:
    """Requests 1 to 9 and 4 to 12 have the same count; only the numbers differ."""
    text = ["\n".join(f"request {n} begins" for n in numbers) for numbers in (range(1, 10), range(4, 13))]
    run = make_run(home, {"documented": [text[0]], "old": [text[1]]})
    (finding,) = compared(home, str(run.path), "old").findings
    assert finding.standing is Standing.NUMBERS
    assert finding.counts == ((9,), (9,))


def test_the_number_of_kinds_is_limited(tmp_path: Path) -> None:
    """The left log uses half of the table. The other lines are counted, and no kind is on a wrong side."""
    path = [tmp_path / "left.log", tmp_path / "right.log"]
    path[0].write_text("".join(f"left {n}-{n}a\n" for n in range(50)) + "shared\n")
    path[1].write_text("".join(f"right {n}-{n}b\n" for n in range(3)) + "shared\n")
    tally = line_counts.Tally((1, 1), most=20)
    for side in (0, 1):
        tally.add(side, 0, log_reader.Log(path[side]), None, 0)
    assert tally.left_out == [41, 1]
    # The left log has the line too, but no room for it: the table must not have it on the right only.
    assert "shared" not in tally.kinds
    assert len(tally.kinds) == 13


def test_the_number_of_findings_is_limited(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The findings of most weight are kept, and the notes say what is left out."""
    letters = "abcdefghijklmnopqrst"
    text = "\n".join(f"{letter}{other} happened" for letter in letters for other in letters) + "\nERROR: boom"
    run = make_run(home, {"documented": [text], "old": ["fine"]})
    (source,) = compared(home, str(run.path), "documented", "old").sources
    assert len(source.findings) == compare_runs.MOST_FINDINGS
    assert source.findings[0].normalized == "ERROR: boom"
    assert source.notes == ("202 more differences, of less weight, are left out",)
    monkeypatch.setattr(line_counts.Tally.__init__, "__defaults__", (10,))
    (source,) = compared(home, str(run.path), "documented", "old").sources
    assert source.aligned is None
    assert "documented: 396 lines of ever new kinds are left out" in source.notes
    assert "not put side by side: its lines are of too many kinds" in source.notes


# -- side by side ----------------------------------------------------------------------------------


def side_by_side(home: Path, left: str, right: str) -> aligned.Aligned:
    """The rows of two logs."""
    run = make_run(home, {"documented": [left], "old": [right]})
    (source,) = compared(home, str(run.path), "documented", "old").sources
    assert source.aligned is not None
    return source.aligned


def test_identical_stretches_are_folded(home: Path) -> None:
    """A part that both logs have is a number. A line of one log only has an empty side."""
    common = "\n".join(f"step {'abcdefghij'[n]}" for n in range(10))
    rows = side_by_side(home, f"{common}\nERROR: boom\nthe end", f"{common}\nthe end").rows
    assert [row.folded for row in rows] == [(10, 10), (0, 0), (1, 1)]
    assert rows[1].left is not None
    assert rows[1].left.text == "ERROR: boom"
    assert rows[1].right is None


def test_repeated_lines_are_one_row_with_their_number(home: Path) -> None:
    """2500 equal lines are one row."""
    rows = side_by_side(home, "begin\n" + "connection refused\n" * 2500, "begin").rows
    (row,) = [row for row in rows if row.left]
    assert row.left is not None
    assert row.left.lines == 2500


def test_the_number_of_rows_is_limited(home: Path) -> None:
    """The rows that are left out are counted."""
    noise = "".join(
        f"failed: {'abcdefghijklmnop'[n % 16]}{'qrstuvwxyz'[n // 16 % 10]}{'abcdefghi'[n // 160]}\nbegin\n"
        for n in range(900)
    )
    rows = side_by_side(home, noise, "begin")
    assert len(rows.rows) == aligned.MOST_ROWS
    assert rows.more_rows > 0
    assert rows.beyond[0] > 0


def test_many_lines_in_little_memory(tmp_path: Path) -> None:
    """Two logs of 60 000 lines (10 MB) are counted in less than 6 MB of memory."""
    row = '127.0.0.1 - - [02/Jan/2026:12:00:{:02} +0000] "GET / HTTP/1.1" {} 25 "-" "-" 17673552{:08} 0.{:06}\n'
    path = tmp_path / "proxy.log.gz"
    with gzip.open(path, "wt", compresslevel=1) as stream:
        for n in range(60_000):
            stream.write(row.format(n % 60, 502 if n % 7 else 200, n, n % 1_000_000))
    tracemalloc.start()
    tally = line_counts.Tally((1, 1))
    for side in (0, 1):
        tally.add(side, 0, log_reader.Log(path), 0, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tally.lines == ([60_000], [60_000])
    assert {kind.counts[0][0] for kind in tally.kinds.values()} == {8_572, 51_428}
    assert peak < 6 << 20


# -- a recorded run ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vanish(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """The recorded run of socket-vanish: the documented stack and the release before it."""

    run = recorded_run(tmp_path_factory.mktemp("results"), "whole")
    scenario = loader.load(ROOT, "socket-vanish")
    return compared(ROOT, str(run.path), "documented", "gunicorn-19.5.0", scenario=scenario)


def test_the_cause_is_before_what_follows_from_it(vanish: Comparison) -> None:
    """The first removal of the socket, then its going, then the errors of those that miss it."""
    top = [finding.normalized for finding in vanish.findings[:8]]
    assert '"witness": "unlink"' in top[0]
    assert '"errno": 0' in top[0]
    assert '"event": "gone"' in top[1]
    assert any(text.startswith("FileNotFoundError") for text in top[2:])
    assert any('" 502 25 ' in text for text in top[2:])
    times = [finding.first[0].at_ms for finding in vanish.findings[:4] if finding.first[0]]
    assert times == sorted(times)


def test_an_instant_has_the_same_time_here_as_in_the_timeline(vanish: Comparison) -> None:
    """The moment that the watcher measured counts, from the beginning of the load, and not the engine's stamp."""
    gone = next(finding for finding in vanish.findings if '"event": "gone"' in finding.normalized)
    observed = vanish.left.trials[0].observation["gone_ms"]
    assert gone.first[0] is not None
    assert gone.first[0].at_ms == pytest.approx(observed, abs=1)
    assert vanish.from_load


def test_the_gravest_line_has_its_frames(vanish: Comparison) -> None:
    """The FileNotFoundError with the frame in sock.py is only in the documented variant."""
    first = _file_not_found(vanish)
    assert first.normalized.startswith("FileNotFoundError: [Errno 2] No such file or directory: '/tmp/gunicorn.sock'\n")
    assert 'gunicorn/sock.py", line 123, in close' in first.normalized
    assert first.counts == ((4,), (0,))
    assert first.standing is Standing.ONLY


def _file_not_found(vanish: Comparison) -> Finding:
    return next(finding for finding in vanish.findings if finding.normalized.startswith("FileNotFoundError"))


def test_the_lines_around_a_finding(vanish: Comparison) -> None:
    """The worker's error line is before it and its exit after it."""
    near = [stretch.text.partition("\n")[0] for stretch in vanish.around[_file_not_found(vanish)]]
    assert any("Exception in worker process" in text for text in near)
    assert any("Worker exiting" in text for text in near)


def test_different_rates_of_the_same_sign(home: Path) -> None:
    """The sign shows in one of one trials on both sides, but in 9 and 1 of 10 tries."""
    run = make_run(home, {"documented": ["a"], "old": ["b"], "third": ["c"]})
    left, right = select.find(home, [str(run.path), "documented", "old"], [])
    tries = {"documented": (9, 10), "old": (1, 10)}
    rated = claim(sign=lambda o: True, rate=lambda o: tries[o["of"]])
    rows = [replace(side, trials=(trial(observation={"of": side.variant}),)) for side in (left, right)]
    group = facts.signs(rows[0], rows[1], in_memory(rated))
    assert [(row.left, row.right) for row in group.rows] == [("1/1 [9/10 (60–98 %)]", "1/1 [1/10 (2–40 %)]")]
    tries["old"] = (6, 10)
    assert facts.signs(rows[0], rows[1], in_memory(rated)).rows == ()


def test_the_facts_of_a_recorded_run(vanish: Comparison) -> None:
    """One factor differs; the signs, columns and values that differ are shown."""
    groups = {group.title: group for group in vanish.facts}
    assert [(row.name, row.left, row.right) for row in groups["factors"].rows] == [("GUNICORN", "19.6.0", "19.5.0")]
    signs = groups["signs (shown in trials)"].rows
    assert any(row.name.startswith("SV-1, SV-4, ") and (row.left, row.right) == ("3/3", "0/3") for row in signs)
    assert ("socket", "gone", "present") in [(row.name, row.left, row.right) for row in groups["results"].rows]
    assert any(row.name == "socket_after" and row.right == "yes" for row in groups["observations"].rows)
    (order,) = [row for row in groups["observations"].rows if row.name.startswith("order")]
    assert order.right == "—"
    assert "unlinked_ms" in order.left
    # The recorded trials have no Compose model: the note says so.
    assert groups["stack"].notes == ("documented has no compose.json to compare",)


@pytest.mark.parametrize("width", [60, 100, 160])
def test_the_terminal_at_any_width(vanish: Comparison, width: int) -> None:
    """Both sides are named, the first finding is complete, and no line is wider than the terminal."""
    text = printed(vanish, width)
    assert max(len(line.rstrip()) for line in text.split("\n")) <= width
    joined = " ".join(text.split())
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/gunicorn.sock'" in joined
    assert "only documented" in joined
    assert "what always differs is normalized" in joined


def test_the_page_is_complete_and_escaped(home: Path) -> None:
    """Markup in a log is text, and the page needs no other file."""
    run = make_run(home, {"documented": [f"<script>alert(1)</script>\n{TRACEBACK}"], "old": ["fine"]})
    text = html.render(compared(home, str(run.path), "documented", "old", scenario=load_again(home)))
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "what stands around the first" in text
    assert "src=" not in text
    assert "http" not in text.replace("http-equiv", "")


def load_again(home: Path) -> Any:
    """The small scenario of the temporary checkout."""

    return loader.load(home, "blink")


# -- the command line --------------------------------------------------------------------------------


def test_compare_ends_with_0_and_writes_the_page(home: Path) -> None:
    """--html writes a file that names both sides; --log selects logs."""
    run = make_run(home, {"documented": ["a"], "old": ["b"]})
    write_log(run, "old", 1, stamped("c"), "proxy.log.gz")
    target = home / "out.html"
    result = lab(str(run.path), "documented", "old", "--html", str(target), "--log", "app", "--log", "nosuch")
    assert result.exit_code == 0, result.output
    assert f"written: {target}" in result.output
    assert "no log 'nosuch' here; there are app, proxy" in result.output
    assert "log proxy" not in result.output
    assert "documented and old" in target.read_text(encoding="utf-8")


def test_two_runs_with_different_verdicts_end_with_1(home: Path) -> None:
    """The output names the claim with both verdicts. An inconclusive verdict is no drift."""
    first = make_run(home, {"documented": ["a"], "old": ["a"]})
    second = make_run(home, {"documented": ["a"], "old": ["a"]})
    for run, word in ((first, "confirmed"), (second, "refuted")):
        claims = [{"id": "B-1", "verdict": word, "why": "for a reason"}]
        files.write_json(run.path / "verdict.json", {"schema": 1, "claims": claims})
    result = lab(str(first.path), str(second.path))
    assert result.exit_code == Exit.DRIFT, result.output
    for text in ("B-1", "confirmed (for a reason)", "refuted (for a reason)"):
        assert text in result.output
    undecided = [{"id": "B-1", "verdict": "inconclusive", "why": "old was not run"}]
    files.write_json(second.path / "verdict.json", {"schema": 1, "claims": undecided})
    assert lab(str(first.path), str(second.path)).exit_code == 0
    assert lab(str(first.path), str(first.path), "--variant", "documented", "--variant", "old").exit_code == 0


def test_trials_without_logs_are_named(home: Path) -> None:
    """A trial without the log is left out of the counts, and a note names it."""
    run = make_run(home, {"documented": ["only here", "only here"], "old": ["b"]})
    (run.trial("lamp", "documented", 2).path / "app.log.gz").unlink()
    comparison = compared(home, str(run.path), "documented", "old")
    (source,) = comparison.sources
    assert source.notes == ("documented: no log app of trial 2",)
    assert by_line(comparison)["only here"].standing is Standing.ONLY
    assert by_line(comparison)["only here"].counts == ((1,), (0,))


def test_a_run_without_logs(home: Path) -> None:
    """The facts are compared, with a warning that there are no logs."""
    run = make_run(home, {"documented": ["a"], "old": ["b"]})
    for variant in ("documented", "old"):
        (run.trial("lamp", variant, 1).path / "app.log.gz").unlink()
    comparison = compared(home, str(run.path), "old", scenario=load_again(home))
    assert comparison.warnings == ("no logs are left of these trials",)
    assert "RELEASE" in printed(comparison)


def test_stretches_of_traffic_are_joined(tmp_path: Path) -> None:
    """Frequent lines make stretches, and neighbours with the same kinds are joined."""
    path = tmp_path / "app.log"
    path.write_text("GET 200\n" * 1500 + "boom\n" + "GET 200\n" * 10)
    entries = log_reader.Log(path).entries()
    stretches = list(aligned.stretches(entries, None, {"GET 200"}, frozenset({"boom"})))
    assert [(stretch.lines, stretch.differs) for stretch in stretches] == [(1500, False), (1, True), (10, False)]
    assert Counter(dict(stretches[0].counts)) == Counter({"GET 200": 1500})
    assert json.dumps(stretches[1].text) == '"boom"'


def test_a_comparison_with_a_virtual_machine_says_what_differs_beside_the_kernel(tmp_path: Path) -> None:
    """Between two machines of the same kind it does not."""
    lay_out(tmp_path)
    hosts: list[dict[str, str]] = [
        {"kernel": "6.18"},
        {"kernel": "5.10", "hardware": "virtual machine (TCG)"},
        {"kernel": "6.1", "hardware": "virtual machine (TCG)"},
    ]
    runs = [str(make_run(tmp_path, {"documented": ["a"]}, host=host).path) for host in hosts]

    def notes(left: int, right: int) -> tuple[str, ...]:
        comparison = compared(tmp_path, runs[left], runs[right], variants=["documented"])
        return next(group.notes for group in comparison.facts if group.title == "environment")

    assert notes(0, 1) == (facts.OTHER_HARDWARE,)
    assert notes(1, 2) == ()
