"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Known, LogLine, Signature, Step

FACTORS = {"HYPERCORN": "hypercorn", "PYTHON": "python", "WORKERS": "hypercorn.workers"}

SIGNATURES = [
    Signature(
        "the application's startup failed, and hypercorn runs on and answers 500",
        steps=[
            Step(
                "the startup is over for hypercorn",
                [LogLine("hypercorn", "ASGI Framework Lifespan error, ")],
            ),
            Step(
                "hypercorn reads the reason of a startup that failed",
                [LogLine("hypercorn", "hypercorn/asyncio/lifespan.py", r"in asgi_send\b")],
                within=120,
            ),
            Step(
                "... and there is none",
                [LogLine("hypercorn", "KeyError: 'message'")],
                within=8,
                resets=[LogLine("hypercorn", 'LifespanFailureError("shutdown"')],
            ),
        ],
        package="hypercorn",
        affected=">=0.13.2,<=0.14.3",
        unaffected=">=0.14.4,<=0.18.0",
        factors=FACTORS,
        decides="send lifespan.startup.failed with a message: hypercorn must end",
        known_from=[
            Known("the server runs on", claim="FS-1"),
            Known("the thread", url="https://github.com/pgjones/hypercorn/pull/97"),
        ],
        decisive=True,
    ),
    Signature(
        "the application's startup failed, and hypercorn ends with exit status 0, as after a success",
        steps=[
            Step(
                "a process of hypercorn ends",
                [LogLine("hypercorn", "hypercorn/asyncio/lifespan.py", r"in asgi_send\b")],
            ),
            Step(
                "the startup failed",
                [LogLine("hypercorn", "LifespanFailureError: Lifespan failure in startup.")],
                within=8,
            ),
        ],
        package="hypercorn",
        affected=">=0.14.4,<=0.18.0",
        factors=FACTORS,
        decides="the exit status of the process: 0 is the fault, any other is right",
        known_from=[
            Known("the exit status", claim="FS-4"),
            Known("the thread", url="https://github.com/pgjones/hypercorn/pull/173"),
        ],
    ),
]
