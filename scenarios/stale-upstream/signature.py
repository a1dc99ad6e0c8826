"""How the case shows in logs; `reprolab diagnose` reads it."""

from reprolab import Known, LogLine, Signature, Step

ADDRESS = r".*upstream: \"http://(?!127\.|\[::1\])[0-9\[]"
REFUSED = LogLine("nginx", " while connecting to upstream", r"connect\(\) failed \(111: Connection refused\)" + ADDRESS)
NO_HOST = LogLine(
    "nginx",
    " while connecting to upstream",
    r"connect\(\) failed \(113: (?:No route to host|Host is unreachable)\)" + ADDRESS,
)
FACTORS = {"NGINX": "nginx", "PYTHON": "python"}
KNOWN = [
    Known("502 until the reload", claim="SU-1"),
    Known("a reload ends it", claim="SU-3"),
    Known("the thread", url="https://github.com/medic/cht-core/issues/8205"),
]
DECIDES = (
    "compare the address in nginx's error with that of the server's container (docker inspect); "
    "the errors must begin when the server's container is made anew, and end with a reload of nginx"
)

SIGNATURES = [
    Signature(
        "nginx keeps the address of a container that was made anew, until it is reloaded",
        steps=[
            Step("nginx does not reach the address that it knows", [REFUSED, NO_HOST]),
            Step(
                "nginx is reloaded or started again",
                [LogLine("nginx", "[notice] ", r"#\d+: (?:reconfiguring$|nginx/\d)")],
            ),
        ],
        factors=FACTORS,
        decides=DECIDES,
        known_from=KNOWN,
    ),
    Signature(
        "no host has the address that nginx keeps",
        steps=[Step("nginx does not reach the address that it knows", [NO_HOST])],
        factors=FACTORS,
        decides=DECIDES,
        known_from=KNOWN,
    ),
]
