"""Which releases a case affects, from the counts of its run on record: nobody writes them."""

from __future__ import annotations

from dataclasses import dataclass

from reprolab.bugreport import release_table
from reprolab.bugreport.release_table import AFFECTED, CLEAN, ReleaseRow
from reprolab.scenario.model import Scenario
from reprolab.verdict.counting import Count
from reprolab.verdict.document import SignCount, VerdictDocument

LISTED = 4
NOT_MEASURED = SignCount(0, 0)


@dataclass(frozen=True)
class MeasuredReleases:
    """A row for each variant that is a release, the oldest first. A release is affected if its trials showed the sign.

    ``name`` is the project whose releases they are, "" if it is the server.
    """

    name: str
    rows: tuple[ReleaseRow, ...]

    @property
    def affected(self) -> str:
        """The affected releases in words; "" if no release was measured."""
        words = release_table.verdicts(list(self.rows))
        affected = [release for release, word in words.items() if word == AFFECTED]
        if not affected:
            return f"none of {len(words)} measured" if words else ""
        runs = [
            f"{run[0]} to {run[-1]} ({len(run)} measured)" if len(run) > LISTED else ", ".join(run)
            for run in _runs(words)
        ]
        return self._named(", ".join(runs))

    @property
    def first_fixed(self) -> str:
        """The first measured release after the newest affected one, in words; "" if none is affected."""
        rows = list(self.rows)
        words = release_table.verdicts(rows)
        if AFFECTED not in words.values():
            return ""
        return self._named(release_table.first_clean(rows) or f"none up to {list(words)[-1]}")

    def _named(self, text: str) -> str:
        return f"{self.name} {text}" if self.name else text


def measured_releases(scenario: Scenario, verdict: VerdictDocument | None) -> MeasuredReleases | None:
    """The releases of x-reprolab.releases with their counts on record; None without them or without a record."""
    claim, experiment = scenario.main_claim, scenario.main_experiment
    if verdict is None or claim is None or experiment is None or not scenario.catalogue.releases:
        return None
    counts = verdict.signs.get(claim.id, {})
    rows, names = [], set()
    for variant, text in scenario.catalogue.releases.items():
        name, _, release = text.rpartition(" ")
        names.add(name)
        seen = counts.get(scenario.variant_key(experiment.name, variant), NOT_MEASURED)
        rows.append(ReleaseRow(release, variant, "", Count(seen.shown, seen.trials)))
    # x-reprolab.releases has one project.
    return MeasuredReleases(names.pop(), tuple(sorted(rows, key=lambda row: release_table.order(row.release))))


def _runs(words: dict[str, str]) -> list[list[str]]:
    """The affected releases, those together that no clean one parts."""
    runs: list[list[str]] = [[]]
    for release, word in words.items():
        if word == CLEAN:
            runs.append([])
        else:
            runs[-1].append(release)
    return [run for run in runs if run]
