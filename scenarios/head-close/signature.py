"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Known, Signature

SIGNATURES = [
    Signature(
        "a request that follows a HEAD on its connection gets no answer",
        package="waitress",
        affected=">=1.4.4,<=2.1.2",
        unaffected=">=3.0.0,<=3.0.2",
        factors={"WAITRESS": "waitress", "PYTHON": "python"},
        silent="waitress writes nothing: for HEAD the warning of an answer that is too short is left out",
        decides="two requests on one connection, HEAD first: curl -I URL --next URL says whether it makes a second one",
        known_from=[
            Known("the next request is lost", claim="HC-1"),
            Known("the thread", url="https://github.com/Pylons/waitress/pull/428"),
        ],
    ),
]
