"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

SIGNATURES = [
    Signature(
        "the first line of a request came in two segments, and uvicorn took the second part of the URL for the whole",
        steps=[
            Step(
                "uvicorn parses a URL as soon as a part of it is there",
                [LogLine("uvicorn", "uvicorn/protocols/http/httptools_impl.py", r"in on_url\b")],
            ),
            Step(
                "what it has is the end of a URL",
                # An absolute path, a whole URL, and what CONNECT asks for (HOST:PORT, or a HOST) come from a client
                # that sent them so. A name has none of the signs of a path or a query.
                [
                    LogLine(
                        "uvicorn",
                        "HttpParserInvalidURLError: invalid url b",
                        r"url b['\"](?![/.*])(?!\w+:)(?![\w.-]+:\d)(?![\w-]+(?:\.[\w-]+)+/)[\w%=&?.-]*[/%=&?]",
                    )
                ],
                within=6,
            ),
        ],
        conditions=[Condition("the parser is httptools", [Need("uvicorn", "http", "httptools")])],
        package="uvicorn",
        affected=">=0.15.0,<=0.17.4",
        unaffected=">=0.17.5,<=0.54.0",
        factors={"UVICORN": "uvicorn", "PYTHON": "python", "HTTP": "uvicorn.http"},
        decides="whether the part is the end of a URL that your clients ask for; with --http h11 it must end",
        known_from=[
            Known("the error", claim="SR-1"),
            Known("the cause", claim="SR-6"),
            Known("the thread", url="https://github.com/Kludex/uvicorn/issues/1262"),
        ],
        decisive=True,
    ),
]
