"""How the case shows in logs; `reprolab diagnose` reads it. By default gunicorn drops the header without a line."""

from reprolab import Condition, Known, LogLine, Need, Signature, Step

SIGNATURES = [
    Signature(
        "the proxy's header SCRIPT_NAME is refused, and with it the request, because its name has an underscore",
        steps=[Step("a request is refused", [LogLine("gunicorn", "Invalid HTTP header name: 'SCRIPT_NAME'")])],
        conditions=[Condition("header_map is refuse", [Need("gunicorn", "header_map", "refuse")])],
        package="gunicorn",
        affected=">=22.0.0,<=27.0.1",
        factors={"GUNICORN": "gunicorn", "PYTHON": "python"},
        decides="whether the address in the line is the proxy's, and (from 23.0.0 on) in forwarded_allow_ips",
        known_from=[
            Known("such requests get 400", claim="SN-9"),
            Known("the thread", url="https://github.com/benoitc/gunicorn/issues/3200"),
        ],
        decisive=True,
    ),
]
