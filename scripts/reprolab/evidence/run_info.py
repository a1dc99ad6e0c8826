"""The typed content of run.json: what a run ran, on which machine, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from reprolab.core.number_words import plural
from reprolab.engine.host_facts import Host
from reprolab.evidence.packages import Images, Kinds
from reprolab.evidence.run_plan import BUDGET as BUDGET
from reprolab.evidence.run_plan import CONFIDENCE as CONFIDENCE
from reprolab.evidence.run_plan import PlanEntry as PlanEntry
from reprolab.evidence.run_plan import RoundsInfo as RoundsInfo

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


def stages(times: str) -> dict[str, float]:
    """The parts of ``RunInfo.times``: stage -> seconds."""
    return {name: float(seconds) for name, seconds in STAGE.findall(times)}


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
class RunHost:
    """A host of a run that has several: its facts, and the images on its engine, as `RunInfo` has them."""

    host: Host = field(default_factory=Host)
    bases: Mapping[str, BaseImage] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, Image]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunHost:
        """Read an entry of ``hosts``."""
        return cls(Host.from_json(data.get("host", {})), _bases(data), _images(data))

    def to_json(self) -> dict[str, Any]:
        return {"host": self.host.to_json(), "bases": _plain(self.bases), "images": _plain_images(self.images)}


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
    run. ``hosts`` is name -> host, where trials name their hosts; a trial that names none is of ``host``. A field is
    empty if the run has not reached it yet or an older release did not write it. Unknown keys are ignored.
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
    hosts: Mapping[str, RunHost] = field(default_factory=dict)
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
            bases=_bases(data),
            images=_images(data),
            packages=dict(data.get("packages", {})),
            reason=data.get("reason", ""),
            times=data.get("times", ""),
            case=data.get("case", ""),
            lab=data.get("lab", ""),
            checksums=data.get("checksums", False),
            observed=ObservedAgain.from_json(data["observed"]) if "observed" in data else None,
            hosts={name: RunHost.from_json(host) for name, host in data.get("hosts", {}).items()},
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
            "plan": [row.to_json() for row in self.plan],
            "rounds": self.rounds.to_json() if self.rounds else None,
            "host": self.host.to_json(),
            "machine": dict(self.machine),
            "bases": _plain(self.bases),
            "images": _plain_images(self.images),
            "packages": dict(self.packages),
            "reason": self.reason,
            "times": self.times,
            "case": self.case,
            "lab": self.lab,
            "checksums": self.checksums or None,
            "observed": self.observed.to_json() if self.observed else None,
            "hosts": {name: host.to_json() for name, host in self.hosts.items()},
        }
        return {key: value for key, value in content.items() if value not in ("", {}, [], None)}


def _bases(data: Mapping[str, Any]) -> dict[str, BaseImage]:
    return {name: BaseImage.from_json(base) for name, base in data.get("bases", {}).items()}


def _images(data: Mapping[str, Any]) -> dict[str, dict[str, Image]]:
    return {
        variant: {service: Image.from_json(image) for service, image in services.items()}
        for variant, services in data.get("images", {}).items()
    }


def _plain(bases: Mapping[str, BaseImage]) -> dict[str, Any]:
    return {name: base.to_json() for name, base in bases.items()}


def _plain_images(images: Mapping[str, Mapping[str, Image]]) -> dict[str, Any]:
    return {
        variant: {service: image.to_json() for service, image in services.items()}
        for variant, services in images.items()
    }
