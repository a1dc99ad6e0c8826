"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, Need, Signature

SIGNATURES = [
    Signature(
        "each worker loads the module of the application twice, since uvicorn spawns its workers",
        experiment="imports",
        conditions=[
            Condition(
                "uvicorn has several workers", [Need("uvicorn", "parent", "true"), Need("uvicorn", "workers", ">1")]
            )
        ],
        factors={"UVICORN": "uvicorn", "FASTAPI": "fastapi", "PYTHON": "python", "WORKERS": "uvicorn.workers"},
        silent="uvicorn logs no import: only lines that your own module prints can show that it is loaded twice",
        decides="print a line with os.getpid() and __name__ at the top of the module that calls uvicorn.run()",
        known_from=[
            Known("each worker loads it twice", claim="SW-1"),
            Known("why uvicorn spawns", url="https://github.com/Kludex/uvicorn/pull/2006"),
        ],
    ),
]
