"""The program of a worker that the driver starts: it reads its settings from standard input, and ends when that does.

So it ends if the driver does, however that happens, and if the connection to its machine is cut.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from typing import Any

# Seconds from the end of standard input to the end of this process: a thread may wait for an engine that hangs.
GRACE = 45.0
LOG_LEVELS = {"distributed": "error"}


def main() -> None:
    """Serve one scheduler."""
    settings = json.loads(sys.stdin.readline())
    os.environ.update(settings["environ"])
    # A terminal sends SIGINT to the driver, which ends its workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(settings))


async def _serve(settings: dict[str, Any]) -> None:
    import dask
    from distributed import Worker
    from distributed.security import Security

    dask.config.set({"distributed.worker.http.routes": [], "logging": LOG_LEVELS})
    worker: Any = Worker(
        settings["scheduler"],
        name=settings["name"],
        nthreads=settings["threads"],
        host="127.0.0.1",
        port=settings["port"],
        security=Security(**settings["security"]),  # type: ignore[no-untyped-call]
        memory_limit=0,
        dashboard_address="127.0.0.1:0",
        death_timeout=GRACE,
    )
    await worker
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    threading.Thread(target=_until_end_of_input, args=(loop, ended), daemon=True).start()
    finished = asyncio.ensure_future(worker.finished())
    await asyncio.wait({finished, asyncio.ensure_future(ended.wait())}, return_when=asyncio.FIRST_COMPLETED)
    threading.Thread(target=_end_anyhow, daemon=True).start()
    await worker.close(timeout=GRACE / 2)
    # Threads of trials may still wait; what they have on the engine is removed.
    sys.stdout.flush()
    os._exit(0)


def _until_end_of_input(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    # readline() of a killed driver returns "" too.
    while sys.stdin.readline():
        pass
    loop.call_soon_threadsafe(ended.set)


def _end_anyhow() -> None:
    threading.Event().wait(GRACE)
    os._exit(1)


if __name__ == "__main__":
    main()
