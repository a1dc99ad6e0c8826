"""The typed content of run.json: what a run ran, on which machine, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reprolab.engine.host_facts import Host
from reprolab.evidence.packages import Images, Kinds

SCHEMA = 1
COMPLETE = "complete"


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
class RunInfo:
    """The content of run.json.

    ``factors`` are the documented ones. ``machine`` is the machine's load and pressure before the run. ``bases`` is
    official name -> the image used for it, ``images`` is variant -> service -> image, ``packages`` is
    "variant/service" -> kind -> name -> version. The names of variants are those of verdict.json; older releases left
    out the experiment. A field is empty if the run has not reached it yet or an older release did not write it.
    Unknown keys are ignored.
    """

    scenario: str
    started: str = ""
    status: str = ""
    pid: str = ""
    command: tuple[str, ...] = ()
    factors: Mapping[str, str] = field(default_factory=dict)
    plan: tuple[PlanEntry, ...] = ()
    host: Host = field(default_factory=Host)
    machine: Mapping[str, Any] = field(default_factory=dict)
    bases: Mapping[str, BaseImage] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, Image]] = field(default_factory=dict)
    packages: Images = field(default_factory=dict)
    reason: str = ""
    times: str = ""
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
        }
        return {key: value for key, value in content.items() if value not in ("", {}, [], None)}
