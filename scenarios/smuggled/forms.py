"""The bytes: readers that end a request by its length and readers of its chunks see another number of requests."""

import re


def hidden(name):
    """The request that hides in the body of another one."""
    return b"GET /hidden/%s HTTP/1.1\r\nHost: app\r\n\r\n" % name.encode()


def request(name, fields, body):
    """A POST with some fields and a body."""
    lines = [b"POST /%s HTTP/1.1" % name.encode(), b"Host: app", *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunks(body):
    """A body as a chunk and the last chunk."""
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


CHUNKED, IDENTITY, UNKNOWN = (b"Transfer-Encoding: " + coding for coding in (b"chunked", b"identity", b"xchunked"))
LENGTH = b"Content-Length: %d"


def after_the_last_chunk(name, fields):
    """Chunked, it ends at once, and the hidden request follows; by its length the hidden request is its body."""
    body = b"0\r\n\r\n" + hidden(name)
    return request(name, [LENGTH % len(body), *fields], body)


def in_a_chunk(name, fields):
    """By its length it ends before the hidden request; chunked, the hidden request is in its body."""
    body = chunks(hidden(name))
    return request(name, [LENGTH % (body.index(b"\n") + 1), *fields], body)


# Name -> by what a proxy reads it that sees one request there, and the bytes.
FORMS = {
    "plain": ("chunks", request("plain", [CHUNKED], chunks(b"hello"))),
    "stacked": ("length", after_the_last_chunk("stacked", [CHUNKED, IDENTITY])),
    "unknown": ("chunks", in_a_chunk("unknown", [UNKNOWN])),
    "both": ("length", after_the_last_chunk("both", [CHUNKED])),
}
HIDING = ("stacked", "unknown", "both")


def read_as(by, data):
    """The paths of the requests in some bytes, for a reader that ends each by its "length" or by its "chunks"."""
    paths = []
    while match := re.match(rb"[A-Z]+ (\S+) HTTP/1\.1\r\n(.*?\r\n)\r\n", data, re.DOTALL):
        paths.append(match[1].decode())
        fields, data = match[2].lower(), data[match.end() :]
        length = re.search(rb"content-length: (\d+)", fields)
        if by == "chunks" and b"chunked" in fields:
            data = data[data.index(b"0\r\n\r\n") + 5 :]
        elif length:
            data = data[int(length[1]) :]
    return paths
