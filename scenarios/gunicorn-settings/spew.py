"""Which lines of code --spew shows, in which threads."""

from reprolab import Claim, Column, wait_until

from .common import Gunicorn, Lab

VIEW = (
    "first_line = 1",
    "second_line = first_line + 1",
    "worker = threading.Thread(target=aside)",
    "worker.start()",
    "worker.join()",
    "return HttpResponse(str(second_line), content_type=",
)
THREAD = ("third_line = 3", "return third_line")
VARIANTS = {
    "documented": {},
    "spew": {"ARGUMENTS": "--spew"},
    "gevent": {"ARGUMENTS": "--spew", "WORKER_CLASS": "gevent"},
    "gthread": {"ARGUMENTS": "--spew --threads 2", "WORKER_CLASS": "gthread"},
}
TRIALS = 3
PARALLEL = True


def drive(stack):
    """Ask for one view, and look for its lines on the console."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab, "--timeout", "120")
    wait_until("gunicorn answers", lambda: gunicorn.code is None and gunicorn.answers(), 90)
    answer = lab.ask("/spewed")
    gunicorn.stop()
    shown = [line.partition(": ") for line in lab.out().splitlines() if not line.startswith("\t")]
    of_views = [text.strip() for place, _, text in shown if place.startswith("lab.views:")]
    lab.keep()
    return {
        "status": answer["status"],
        "view_lines": sum(any(text.startswith(line) for text in of_views) for line in VIEW),
        "thread_lines": sum(line in of_views for line in THREAD),
        "in_a_thread": stack.factors["WORKER_CLASS"] == "gthread",
        "modules": len({place.rsplit(":", 1)[0] for place, _, text in shown if text}),
    }


def shows_the_view(o):
    """The view was executed, and each of its lines is on the console."""
    return o["status"] == 200 and o["view_lines"] == len(VIEW)


def executed(o):
    """The view answered 200, which it does after its last line and after its thread has ended."""
    return o["status"] == 200


def hides_threads(o):
    """Code is shown, but none of a thread that a view starts; and if the view runs in a thread, none of the view."""
    wanted = 0 if o["in_a_thread"] else len(VIEW)
    return o["modules"] > 0 and o["thread_lines"] == 0 and o["view_lines"] == wanted


def seen(o):
    """How many lines of the view and of its thread are shown."""
    return f"{o['view_lines']} of {len(VIEW)} lines of the view, {o['thread_lines']} of {len(THREAD)} of its thread"


CLAIMS = [
    Claim(
        "GS-6",
        "spew: every line of code executed is shown on the console.",
        sign=shows_the_view,
        trigger=executed,
        shows=["spew"],
        absent=["documented"],
        but=["GS-46"],
        setting="spew",
        measured=seen,
    ),
    Claim(
        "GS-46",
        "spew shows only the main thread: no line of a thread that a view starts, and none of a gthread worker's "
        "views.",
        sign=hides_threads,
        trigger=executed,
        shows=["spew", "gthread"],
        absent=["documented", "gevent"],
        setting="spew",
        measured=seen,
    ),
]

COLUMNS = [
    Column("lines of the view", lambda o: f"{o['view_lines']} of {len(VIEW)}"),
    Column("of its thread", lambda o: f"{o['thread_lines']} of {len(THREAD)}"),
    Column("modules", lambda o: o["modules"]),
]
