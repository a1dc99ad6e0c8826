"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Known, LogLine, Signature, Step

REFUSED = LogLine(
    "nginx",
    " while connecting to upstream",
    r"connect\(\) failed \((?:111: Connection refused|113: (?:No route to host|Host is unreachable))\).*upstream: \"http://(?!127\.|\[::1\])[0-9\[]",
)

SIGNATURES = [
    Signature(
        "nginx keeps the address of a container that was made anew, until it is reloaded",
        steps=[
            Step("nginx does not reach the address that it knows", [REFUSED]),
            Step(
                "nginx is reloaded or started again",
                [LogLine("nginx", " reconfiguring"), LogLine("nginx", "[notice] ", r": nginx/\d")],
            ),
        ],
        factors={"NGINX": "nginx", "PYTHON": "python"},
        decides="compare the address in nginx's error with that of the server's container (docker inspect); the errors must end "
        "with the reload, and begin with a restart of the server",
        known_from=[
            Known("502 until the reload", claim="SU-1"),
            Known("a reload ends it", claim="SU-3"),
            Known("the thread", url="https://github.com/medic/cht-core/issues/8205"),
        ],
    ),
]
