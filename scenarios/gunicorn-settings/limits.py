"""How long a request line may be, byte by byte, with its length in the path and in the query."""

from reprolab import Claim, Column, InvalidTrial

from .common import Gunicorn, Lab, option

TOP = 1_000_000  # bytes; if a line of this length is accepted, there is no limit
VARIANTS = {
    "documented": {},
    "limit-100": {"ARGUMENTS": "--limit-request-line 100"},
    "limit-8190": {"ARGUMENTS": "--limit-request-line 8190"},
    "limit-8191": {"ARGUMENTS": "--limit-request-line 8191"},
    "limit-20000": {"ARGUMENTS": "--limit-request-line 20000"},
    "limit-0": {"ARGUMENTS": "--limit-request-line 0"},
}
TRIALS = 2
PARALLEL = True


def drive(stack):
    """Find the longest request line that is answered with 200, by halving the interval."""
    lab = Lab(stack)
    Gunicorn(lab).ready()
    observation = {
        "largest_path": largest(lab, "GET /{} HTTP/1.1"),
        "largest_query": largest(lab, "GET /?q={} HTTP/1.1"),
    }
    lab.keep()
    limit = option(stack.factors, "--limit-request-line")
    return observation | {"limit": limit and int(limit)}


def accepted(lab, form, length):
    """Whether a request line of ``length`` bytes, without its end, is answered with 200 and not with 400."""
    line = form.format("a" * (length - len(form.format(""))))
    status = lab.ask(line=line)["status"]
    if status not in (200, 400):
        raise InvalidTrial(f"a request line of {length} bytes was answered with {status}")
    return status == 200


def largest(lab, form):
    """The longest line in bytes; None if there is no limit below TOP."""
    if accepted(lab, form, TOP):
        return None
    low, high = 30, TOP
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if accepted(lab, form, middle) else (low, middle)
    return low


def default_is(size):
    """A sign: a line of ``size`` bytes is the longest."""

    def sign(o):
        return o["largest_path"] == size

    return sign


def as_said(o):
    """The limit is the setting, at most 8190, and none for 0; and the query counts as the path does."""
    wanted = min(o["limit"], 8190) if o["limit"] else None
    return o["largest_path"] == wanted and o["largest_query"] == wanted


def limit_set(o):
    """gunicorn was started with the setting."""
    return o["limit"] is not None


def limit_not_set(o):
    """gunicorn was started without the setting."""
    return o["limit"] is None


def seen(o):
    """The longest line, in bytes."""
    path, query = (f"{o[key]:,} bytes" if o[key] else "no limit" for key in ("largest_path", "largest_query"))
    return path if path == query else f"{path} in the path, {query} with a query"


OTHERS = ["limit-100", "limit-8190", "limit-8191"]
CLAIMS = [
    Claim(
        "GS-18",
        "limit_request_line: default 4092.",
        sign=default_is(4092),
        trigger=limit_not_set,
        shows=["documented"],
        absent=OTHERS,
        untriggered=OTHERS,
        setting="limit_request_line",
        measured=seen,
    ),
    Claim(
        "GS-19",
        "limit_request_line: at most 8190; 0 is unlimited. Query parameters count.",
        sign=as_said,
        trigger=limit_set,
        shows=["limit-100", "limit-8190", "limit-8191", "limit-20000", "limit-0"],
        absent=["documented"],
        untriggered=["documented"],
        setting="limit_request_line",
        measured=seen,
    ),
    Claim(
        "GS-51",
        "The default limit is 4094 bytes, the line's end not counted.",
        sign=default_is(4094),
        trigger=limit_not_set,
        shows=["documented"],
        absent=OTHERS,
        untriggered=OTHERS,
        setting="limit_request_line",
        measured=seen,
    ),
]

COLUMNS = [
    Column("longest line, path", lambda o: o["largest_path"]),
    Column("longest line, query", lambda o: o["largest_query"]),
]
