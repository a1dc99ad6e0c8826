"""What is not as it was in the recorded run, by layer: the case's files, base images, engine, kernel, packages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from reprolab.core.number_words import plural
from reprolab.evidence import packages
from reprolab.evidence.run_info import BaseImage, RunInfo
from reprolab.scenario.digest import case_digest
from reprolab.scenario.model import Scenario
from reprolab.verdict.record import RecordedRun

MOST_PACKAGES = 12
MOST_NAMED = 6
NOTHING = "—"
BASE_FACTS = ("origin", "id", "digest")


class Layer(StrEnum):
    """A part of what a run depends on, in the order of reports."""

    CASE = "case files"
    BASE = "base"
    ENGINE = "engine"
    KERNEL = "kernel"
    MACHINE = "machine"
    LAB = "lab"
    PACKAGES = "packages"
    IMAGE_PACKAGES = "image's own packages"


HOST_LAYERS = {"kernel": Layer.KERNEL} | dict.fromkeys(("engine", "compose", "buildx"), Layer.ENGINE)
PACKAGE_LAYERS = (Layer.PACKAGES, Layer.IMAGE_PACKAGES)


@dataclass(frozen=True)
class Difference:
    """One thing that is not as recorded. ``images`` names the images ("variant/service") with a changed package."""

    layer: Layer
    what: str
    recorded: str
    now: str
    images: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """For example "kernel: recorded 6.1, now 6.18"."""
        what = "" if self.what == self.layer else f" {self.what}"
        where = f" in {_images(self.images)}" if self.images else ""
        return f"{self.layer}{':' if what else ''}{what}{where}: recorded {self.recorded}, now {self.now}"


@dataclass(frozen=True)
class Comparison:
    """All differences of a run from the record. ``unknown``: layers that the run or the record did not keep."""

    differences: tuple[Difference, ...]
    unknown: tuple[Layer, ...] = ()

    @property
    def layers(self) -> list[Layer]:
        """The layers that changed."""
        return [layer for layer in Layer if any(row.layer is layer for row in self.differences)]

    @property
    def words(self) -> str:
        """The layers that changed, and those of which nothing is known."""
        known = "none of those on record" if self.unknown else "none of them"
        changed = ", ".join(self.layers) or known
        return changed + (f" (not on record: {', '.join(self.unknown)})" if self.unknown else "")

    @property
    def lines(self) -> list[str]:
        """A line for each difference, of packages at most MOST_PACKAGES."""
        others = [row.line for row in self.differences if row.layer not in PACKAGE_LAYERS]
        changed = [row.line for row in self.differences if row.layer in PACKAGE_LAYERS]
        more = len(changed) - MOST_PACKAGES
        shown = [*changed[:MOST_PACKAGES], f"and {more} more packages"] if more > 0 else changed
        unknown = [f"{', '.join(self.unknown)}: not on record"] if self.unknown else []
        return [*others, *shown, *unknown]

    @property
    def short_lines(self) -> list[str]:
        """At most two lines for a run without drift: the layers, and the number of packages with the named ones."""
        layers = [str(layer) for layer in self.layers if layer not in PACKAGE_LAYERS]
        lines = [f"other than for the record: {', '.join(layers)}"] if layers else []
        changed = [row for row in self.differences if row.layer in PACKAGE_LAYERS]
        if count := len({row.what for row in changed}):
            named = [row for row in changed if row.layer is Layer.PACKAGES]
            words = list(dict.fromkeys(f"{row.what.partition(' ')[2]} {row.recorded} → {row.now}" for row in named))
            shown = ", ".join([*words[:MOST_NAMED], *(["…"] if len(words) > MOST_NAMED else [])])
            text = f"{count} package{'s are' if count > 1 else ' is'} other than for the record"
            lines.append(f"{text}: {shown}" if shown else text)
        return lines

    def in_variants(self, variants: Collection[str]) -> Comparison:
        """The comparison without the packages of other variants' images."""
        kept = (
            row
            for row in self.differences
            if not row.images or any(image.rpartition("/")[0] in variants for image in row.images)
        )
        return Comparison(tuple(kept), self.unknown)


def compare_with_record(scenario: Scenario, record: RecordedRun, run: RunInfo) -> Comparison:
    """Compare a run with the record of its scenario; the verdict on the run is by the scenario's files of now."""
    named = packages.named_in_dockerfiles(scenario)
    return compare(record, run, named, case_digest(scenario.directory))


def compare(record: RecordedRun, run: RunInfo, named: Collection[str] = (), case: str = "") -> Comparison:
    """Compare a run with the record.

    ``named`` holds the Debian packages that the Dockerfiles install by name; all other Debian packages are the images'
    own. ``case`` is the digest of the case's files that judge the run, which may be other ones than it ran with.
    """
    rows = [
        *_case(record.info.case, run.case, case),
        *_bases(record.info, run),
        *_host(record.info, run),
        *_lab(record.info, run),
        *_packages(record, run, named),
    ]
    rows.sort(key=lambda row: list(Layer).index(row.layer))
    return Comparison(tuple(rows), tuple(_unknown(record.info, run)))


def _case(recorded: str, ran: str, judges: str) -> Iterator[Difference]:
    if recorded and ran and recorded != ran:
        yield Difference(Layer.CASE, Layer.CASE, _short(recorded), _short(ran))
    elif recorded and judges and recorded != judges:
        yield Difference(Layer.CASE, "since the run", _short(recorded), _short(judges))


def _host(recorded: RunInfo, run: RunInfo) -> Iterator[Difference]:
    before, now = recorded.host.to_json(), run.host.to_json()
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            layer = HOST_LAYERS.get(key, Layer.MACHINE)
            yield Difference(layer, key, str(before.get(key, NOTHING)), str(now.get(key, NOTHING)))


def _bases(recorded: RunInfo, run: RunInfo) -> Iterator[Difference]:
    for key in sorted(recorded.bases.keys() & run.bases.keys()):
        old, new = recorded.bases[key], run.bases[key]
        known, facts = old.to_json(), new.to_json()
        if differing := [fact for fact in BASE_FACTS if fact in known and known[fact] != facts.get(fact)]:
            yield Difference(Layer.BASE, key, _base(old, differing), _base(new, differing))


def _base(base: BaseImage, differing: Iterable[str]) -> str:
    """The origin of a base image, and the start of its id and digest if they differ."""
    facts = base.to_json()
    parts = ", ".join(f"{fact} {_short(facts.get(fact))}" for fact in differing if fact != "origin")
    return f"{base.origin} ({parts})" if parts else str(base.origin)


def _lab(recorded: RunInfo, run: RunInfo) -> Iterator[Difference]:
    if recorded.lab and run.lab and recorded.lab != run.lab:
        yield Difference(Layer.LAB, Layer.LAB, recorded.lab, run.lab)


def _packages(record: RecordedRun, run: RunInfo, named: Collection[str]) -> Iterator[Difference]:
    for change in packages.find_changes(record.info.packages, record.verdict.variants, run.packages):
        is_named = change.kind != "deb" or change.name in named
        layer = Layer.PACKAGES if is_named else Layer.IMAGE_PACKAGES
        what = f"{change.kind} {change.name}"
        yield Difference(layer, what, change.recorded or NOTHING, change.now or NOTHING, change.images)


def _unknown(recorded: RunInfo, run: RunInfo) -> Iterator[Layer]:
    """The layers that cannot be compared."""
    hosts = (recorded.host, run.host)
    if not (recorded.case and run.case):
        yield Layer.CASE
    if not (recorded.bases and run.bases):
        yield Layer.BASE
    if not all(host.engine for host in hosts):
        yield Layer.ENGINE
    if not all(host.kernel for host in hosts):
        yield Layer.KERNEL
    if not (recorded.lab and run.lab):
        yield Layer.LAB
    if not (recorded.packages and run.packages):
        yield from PACKAGE_LAYERS


def _images(names: tuple[str, ...]) -> str:
    more = len(names) - 1
    return f"{names[0]} and {plural(more, 'more image')}" if more else names[0]


def _short(digest: str | None) -> str:
    return (digest or NOTHING).removeprefix("sha256:")[:12]
