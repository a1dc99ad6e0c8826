"""The typed content of run.json: what a run ran, on which machine, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from reprolab.core.number_words import plural
from reprolab.engine.host_facts import Host
from reprolab.evidence.packages import Images, Kinds

SCHEMA = 1
RUNNING, COMPLETE, ABORTED, FAILED = "running", "complete", "aborted", "failed"
# A part of ``times``.
STAGE = re.compile(r"([a-z][a-z -]*) (\d+(?:\.\d+)?) s")
# The stages of each trial. Images are built once for a machine, so that takes time only there and then.
OF_TRIALS = ("set-up", "up", "drive", "evidence", "down")
# The last part of ``times``: the run from its begin to its end. The stages before it are sums over all trials.
WHOLE = "in all"
# Of a run whose process cannot be seen from here.
UNSEEN = "running or aborted"
# Why a run has fewer rounds than planned: its budget was used, or its claims have the confidence.
BUDGET, CONFIDENCE = "budget", "confidence"


def stages(times: str) -> dict[str, float]:
    """The parts of ``RunInfo.times``: stage -> seconds."""
    return {name: float(seconds) for name, seconds in STAGE.findall(times)}


@dataclass(frozen=True)
class PlanEntry:
    """A planned variant: the factors that it changes, and the number of its trials."""

    experiment: str
    variant: str
    factors: Mapping[str, str] = field(default_factory=dict)
    trials: int = 1

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PlanEntry:
        """Read an entry of ``plan``."""
        return cls(str(data["experiment"]), str(data["variant"]), dict(data.get("factors", {})), data.get("trials", 1))


@dataclass(frozen=True)
class RoundsInfo:
    """The rounds of a run: ``ran`` of at most ``planned``; ``seed`` repeats their order.

    ``ended`` is BUDGET or CONFIDENCE if that ended the run early, else "". ``budget`` is in seconds, ``confidence`` in
    percent. ``left_out`` names the variants, as verdict.json does, that did not run because the budget was used.
    """

    seed: int
    planned: int
    ran: int = 0
    ended: str = ""
    budget: float | None = None
    confidence: float | None = None
    left_out: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RoundsInfo:
        return cls(**{**data, "left_out": tuple(data.get("left_out", ()))})

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in ("", (), None)}

    @property
    def cut(self) -> bool:
        """Whether the budget ended the run before all its trials."""
        return self.ended == BUDGET or bool(self.left_out)

    @property
    def words(self) -> str:
        """For example "1 of 3 (seed 7); the budget of 300 s ended the run; left out: dim"."""
        parts = [f"{self.ran} of {self.planned} (seed {self.seed})"]
        if self.confidence is not None:
            reached = "has" if self.ended == CONFIDENCE else "does not have"
            parts.append(f"the run {reached} the confidence of {self.confidence:g} %")
        if self.budget is not None and self.cut:
            parts.append(f"the budget of {self.budget:g} s ended the run")
        if self.left_out:
            parts.append(f"left out: {', '.join(self.left_out)}")
        return "; ".join(parts)


@dataclass(frozen=True)
class BaseImage:
    """The image that was used for an official image. A field is None if an older release did not record it."""

    reference: str | None = None
    id: str | None = None
    origin: str | None = None
    digest: str | None = None
    detail: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BaseImage:
        """Read an entry of ``bases``."""
        return cls(*(data.get(key) for key in ("reference", "id", "origin", "digest", "detail")))

    def to_json(self) -> dict[str, str]:
        """Return the fields that are not None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Image:
    """The image of a variant's service."""

    reference: str
    id: str = ""
    digests: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Image:
        """Read an entry of ``images``."""
        return cls(data.get("reference", ""), data.get("id", ""), tuple(data.get("digests", ())))

    def to_json(self) -> dict[str, Any]:
        return {"reference": self.reference, "id": self.id, "digests": list(self.digests)}


@dataclass(frozen=True)
class BuiltImage:
    """An image with its installed packages: kind -> name -> version."""

    image: Image
    packages: Kinds = field(default_factory=dict)


@dataclass(frozen=True)
class ObservedAgain:
    """The logs of a run were read again, ``at`` a UTC time, with the scenario's files of the digest ``case``.

    ``trials`` trials were read. Of these, ``changed`` have another observation than the run gave, ``now_valid`` became
    valid and ``now_invalid`` became invalid. ``kept`` counts the trials that were not read and stay as they were.
    """

    at: str
    trials: int
    changed: int = 0
    now_valid: int = 0
    now_invalid: int = 0
    kept: int = 0
    case: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ObservedAgain:
        """Read ``observed``."""
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def text(self) -> str:
        """What happened, in one line."""
        changes = [f"{self.changed} of {self.trials} observations differ from those of the run"]
        changes += [f"{self.now_valid} became valid"] if self.now_valid else []
        changes += [f"{self.now_invalid} became invalid"] if self.now_invalid else []
        changes += [f"not read: {plural(self.kept, 'trial')}"] if self.kept else []
        return f"logs read again {self.at}: {', '.join(changes)}"


@dataclass(frozen=True)
class RunInfo:
    """The content of run.json.

    ``status`` is RUNNING, COMPLETE, ABORTED or FAILED, and UNSEEN where it is not known. ``pid`` is the identity of
    the run's process, with the place where it can be seen. ``factors`` are the documented ones.
    ``machine`` is the machine's load and pressure before the run. ``bases`` is official name -> the image used for
    it, ``images`` is variant -> service -> image, ``packages`` is "variant/service" -> kind -> name -> version. The
    names of variants are those of verdict.json; older releases left out the experiment. ``case`` is the digest of
    the scenario's files, ``lab`` the lab's version, ``observed`` is there if the logs were read again after the
    run. A field is empty if the run has not reached it yet or an older release did not write it. Unknown keys are
    ignored.
    """

    scenario: str
    started: str = ""
    status: str = ""
    pid: str = ""
    command: tuple[str, ...] = ()
    factors: Mapping[str, str] = field(default_factory=dict)
    plan: tuple[PlanEntry, ...] = ()
    rounds: RoundsInfo | None = None
    host: Host = field(default_factory=Host)
    machine: Mapping[str, Any] = field(default_factory=dict)
    bases: Mapping[str, BaseImage] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, Image]] = field(default_factory=dict)
    packages: Images = field(default_factory=dict)
    reason: str = ""
    times: str = ""
    case: str = ""
    lab: str = ""
    checksums: bool = False
    observed: ObservedAgain | None = None
    schema: int | None = SCHEMA

    @property
    def complete(self) -> bool:
        return self.status == COMPLETE

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunInfo:
        """Read the content of run.json. Raises KeyError, TypeError, ValueError or AttributeError for other data."""
        return cls(
            scenario=str(data["scenario"]),
            started=data.get("started", ""),
            status=data.get("status", ""),
            pid=data.get("pid", ""),
            command=tuple(data.get("command", ())),
            factors=dict(data.get("factors", {})),
            plan=tuple(PlanEntry.from_json(row) for row in data.get("plan", ())),
            rounds=RoundsInfo.from_json(data["rounds"]) if "rounds" in data else None,
            host=Host.from_json(data.get("host", {})),
            machine=dict(data.get("machine", {})),
            bases={name: BaseImage.from_json(base) for name, base in data.get("bases", {}).items()},
            images={
                variant: {service: Image.from_json(image) for service, image in services.items()}
                for variant, services in data.get("images", {}).items()
            },
            packages=dict(data.get("packages", {})),
            reason=data.get("reason", ""),
            times=data.get("times", ""),
            case=data.get("case", ""),
            lab=data.get("lab", ""),
            checksums=data.get("checksums", False),
            observed=ObservedAgain.from_json(data["observed"]) if "observed" in data else None,
            schema=data.get("schema"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the content of run.json without empty fields."""
        content = {
            "schema": self.schema,
            "scenario": self.scenario,
            "started": self.started,
            "status": self.status,
            "pid": self.pid,
            "command": list(self.command),
            "factors": dict(self.factors),
            "plan": [asdict(row) for row in self.plan],
            "rounds": self.rounds.to_json() if self.rounds else None,
            "host": self.host.to_json(),
            "machine": dict(self.machine),
            "bases": {name: base.to_json() for name, base in self.bases.items()},
            "images": {
                variant: {service: image.to_json() for service, image in services.items()}
                for variant, services in self.images.items()
            },
            "packages": dict(self.packages),
            "reason": self.reason,
            "times": self.times,
            "case": self.case,
            "lab": self.lab,
            "checksums": self.checksums or None,
            "observed": self.observed.to_json() if self.observed else None,
        }
        return {key: value for key, value in content.items() if value not in ("", {}, [], None)}
