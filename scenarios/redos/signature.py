"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Known, Signature

SIGNATURES = [
    Signature(
        "one header that it cannot match stops waitress for seconds or much longer",
        package="waitress",
        affected="==1.4.2",
        unaffected=">=1.3.1,<=1.4.1 | >=1.4.3,<=3.0.2",
        factors={"WAITRESS": "waitress", "PYTHON": "python"},
        silent="waitress writes nothing: it is still at the header, and refuses the request without a line in the log",
        decides="a stack of the process while it takes a processor (py-spy dump --pid PID): parse_header() each time",
        known_from=[
            Known("the time that it takes", claim="RD-1"),
            Known("that nobody else is served", claim="RD-2"),
            Known("the advisory", url="https://github.com/Pylons/waitress/security/advisories/GHSA-73m2-3pwg-5fgc"),
        ],
    ),
]
