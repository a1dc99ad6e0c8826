"""How the case shows in logs: it does not; `reprolab diagnose` reads the settings in which it can happen."""

from reprolab import Condition, Known, Need, Signature

SIGNATURES = [
    Signature(
        "TCP health checks leave connections open, until no descriptor is left",
        conditions=[Condition("the event loop is uvloop", [Need("uvicorn", "loop", "uvloop")])],
        package="uvicorn",
        affected=">=0.14.0,<=0.17.0",
        unaffected="==0.13.4 | >=0.17.1,<=0.17.2",
        factors={"UVICORN": "uvicorn", "PYTHON": "python", "LOOP": "uvicorn.loop", "HTTP": "uvicorn.http"},
        silent="uvicorn writes nothing of such a connection, and with uvloop nothing when no descriptor is left",
        decides="count the server's sockets in CLOSE_WAIT (ss -tn state close-wait): one more with each health check",
        known_from=[
            Known("connections stay open", claim="HL-1"),
            Known("the loop decides", claim="HL-5"),
            Known("what follows", claim="HL-2"),
            Known("the thread", url="https://github.com/Kludex/uvicorn/issues/1199"),
        ],
    ),
]
