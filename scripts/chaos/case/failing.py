"""Whether the server fails after twenty requests. What is true is known: X-1 is confirmed, X-2 is refuted."""

import time
from collections import Counter

from reprolab import Claim, Column

VARIANTS = {"documented": {}, "sound": {"FAILS": "no"}}
TRIALS = 1
PARALLEL = True
REQUESTS = 40


def drive(stack):
    """Forty requests in three seconds, one after the other."""
    answers = []
    for _ in range(REQUESTS):
        answers.append(stack.probe("/", timeout=2))
        time.sleep(0.07)
    return {"answers": dict(Counter(answers)), "last": answers[-1], "asked": len(answers)}


def asked_enough(o):
    return o["asked"] == REQUESTS


def fails(o):
    """The last answer is no success."""
    return o["last"] != "200"


CLAIMS = [
    Claim("X-1", "It fails if FAILS is set.", sign=fails, trigger=asked_enough, shows=["documented"], absent=["sound"]),
    Claim(
        "X-2",
        "It fails without FAILS too.",
        sign=fails,
        trigger=asked_enough,
        shows=["documented", "sound"],
        no_control="It is about all variants.",
    ),
]
COLUMNS = [Column("last", lambda o: o["last"]), Column("answers", lambda o: str(o["answers"]))]
