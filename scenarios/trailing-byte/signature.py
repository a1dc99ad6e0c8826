"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Known, LogLine, Signature, Step

FACTORS = {"HYPERCORN": "hypercorn", "PYTHON": "python"}
THREAD = Known("the thread", url="https://github.com/pgjones/hypercorn/issues/225")

SIGNATURES = [
    Signature(
        "a byte behind a WebSocket request ended the worker, because the WebSocket did not exist yet",
        steps=[
            Step(
                "the trio worker ends with an exception",
                [LogLine("hypercorn", "hypercorn/trio/tcp_server.py", r"in _read_data\b")],
            ),
            Step(
                "... for data of a WebSocket",
                [LogLine("hypercorn", "hypercorn/protocol/ws_stream.py", r"in handle\b")],
                within=12,
            ),
            Step(
                "... that has not been accepted",
                [LogLine("hypercorn", "AttributeError: 'WSStream' object has no attribute 'connection'")],
                within=4,
            ),
        ],
        package="hypercorn",
        affected=">=0.14.4,<=0.16.0",
        unaffected=">=0.17.0,<=0.18.0",
        factors=FACTORS,
        decides="whether the server has ended after it, with exit status 0",
        known_from=[Known("the server ends", claim="TB-4"), THREAD],
        decisive=True,
    ),
    Signature(
        "a byte behind a WebSocket request ended the worker, in the middle of the answer 400",
        steps=[
            Step(
                "the trio worker ends with an exception",
                [LogLine("hypercorn", "hypercorn/trio/tcp_server.py", r"in _read_data\b")],
            ),
            Step(
                "... in the answer to data of a WebSocket",
                [LogLine("hypercorn", "hypercorn/protocol/ws_stream.py", r"in _send_error_response\b")],
                within=16,
            ),
            Step(
                "... because another answer has begun",
                [LogLine("hypercorn", "LocalProtocolError: Can't send data when our state is ERROR")],
                within=16,
            ),
        ],
        package="hypercorn",
        affected=">=0.17.0,<=0.18.0",
        factors=FACTORS,
        decides="whether the server has ended after it, with exit status 0",
        known_from=[Known("the server ends", claim="TB-5"), THREAD],
        decisive=True,
    ),
]
