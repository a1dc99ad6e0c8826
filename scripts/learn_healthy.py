"""Writes the templates of healthy lines of a server, from the logs of runs in which nothing went wrong.

    python scripts/learn_healthy.py gunicorn results/socket-vanish/latest/vanish/gunicorn-19.5.0/*/app.streams.log.gz

`reprolab diagnose` compares a log with them if it shows no case. Only lines in the server's own form are kept: an
application's lines are its own. Templates that are there already stay.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from reprolab.diagnose.log_stream import open_logs
from reprolab.diagnose.unusual import REQUEST, healthy, template_of
from reprolab.logs.timestamps import split_timestamp

TARGET = Path(__file__).parent / "reprolab" / "diagnose" / "healthy"
OWN_FORM = {
    "gunicorn": r"^\[\d{4}-",
    "hypercorn": r"^\[\d{4}-",
    "uvicorn": r"^[A-Z]+: ",
    "nginx": r"^\d{4}/\d\d/\d\d ",
    "h2o": r"^(?:\[[A-Z]+\] |h2o server )",
    "uwsgi": r"^[^{\d ]",
}
# A run in which nothing went wrong for a reader still has such a line now and then.
WRONG = re.compile(
    r"\[(?:ERROR|CRITICAL|error|crit|alert|emerg)\]|^(?:ERROR|CRITICAL): |\bdied\b|DAMN|TIMEOUT|was sent|terminated"
)


def main(server: str, logs: list[str]) -> None:
    """Add the templates of the logs to the server's file."""
    form = re.compile(OWN_FORM[server].encode())
    learned = set(healthy(server))
    for stream in open_logs(logs):
        for block in stream.blocks():
            lines = (split_timestamp(line)[1] for line in block.split(b"\n"))
            learned |= {template_of(line) for line in lines if form.match(line)}
    kept = sorted(template for template in learned if not REQUEST.search(template) and not WRONG.search(template))
    (TARGET / f"{server}.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")
    print(f"{server}: {len(kept)} templates")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
