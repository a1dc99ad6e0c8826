"""Connects the driver with its workers: its own, or those of a scheduler that is there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed import Client

from reprolab.cluster.crew import Crew
from reprolab.cluster.engines import NamedEngine
from reprolab.cluster.messages import Question
from reprolab.cluster.own import OwnWorkers, connected, own_cluster
from reprolab.cluster.tasks import SILENT, TOPIC, CloseWorkplaces, Open, Opening, forget
from reprolab.cluster.workplace import Workplace
from reprolab.core.errors import EngineError
from reprolab.core.progress import OnProgress

CONNECT_LIMIT = "20s"


@contextmanager
def crew_of(
    question: Question,
    results: Path,
    engines: Sequence[NamedEngine],
    scheduler: str,
    on_progress: OnProgress,
    open_place: Open = Workplace.open,
) -> Iterator[Crew]:
    """The workers, while the block runs: one for each of these engines, or those of the scheduler at an address.

    Raises EngineError if the scheduler does not answer.
    """
    workers = OwnWorkers(Path(question.root), results, engines, question.jobs)
    with _quiet(), ExitStack() as stack:
        client = stack.enter_context(_client_of(scheduler) if scheduler else own_cluster(workers))
        crew = Crew(client, Opening(question, open_place), on_progress, None if scheduler else workers)
        listen(client, crew)
        client.register_plugin(CloseWorkplaces(question.id))
        yield crew


@contextmanager
def _client_of(scheduler: str) -> Iterator[Client]:
    try:
        client = connected(scheduler, timeout=CONNECT_LIMIT)
    except (OSError, ValueError, TimeoutError) as error:
        raise EngineError(
            f"no scheduler answers at {scheduler}: {error}",
            expected="a scheduler of dask.distributed (`dask scheduler`), with workers in checkouts of the lab",
            advice="see docs/scale.md for how to start them",
        ) from error
    with client as open_client:
        yield open_client


def listen(client: Client, crew: Crew) -> None:
    """Show the lines of progress of the workers, and note an engine that does not answer."""

    def heard(event: tuple[float, dict[str, Any]]) -> None:
        _, message = event
        if SILENT in message:
            crew.silent[message["worker"]] = message[SILENT]
        else:
            crew.on_progress(f"{message['name']}: {message['text']}")

    client.subscribe_topic(TOPIC.format(crew.opening.question.id), heard)  # type: ignore[no-untyped-call]


def forget_delivered(crew: Crew) -> None:
    """Let the workers remove the trials that the driver has, and close their workplaces for this question."""
    delivered = {member.address: list(member.hand_over()) for member in crew.members.values()}
    question = crew.opening.question.id
    # A scheduler that is gone has no workers to clean up.
    with suppress(Exception):
        crew.client.run(forget, question, delivered, workers=list(delivered), on_error="ignore")
        crew.client.unregister_worker_plugin(TOPIC.format(question))


@contextmanager
def _quiet() -> Iterator[None]:
    """What dask logs of workers that are lost, the driver says in its own words."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
