"""Makes a line of a user's log fit to be shown: no names, addresses, paths or data, and nothing that acts."""

from __future__ import annotations

import re
from functools import lru_cache

from reprolab.bugreport.redact import Masker, masker
from reprolab.core.foreign_text import plain

LONGEST = 240  # characters
PATH = r"(?:/[\w.@%+~:-]+)+/?"
# Of an installed package and of Python's own library the part that is everywhere the same stays.
LIBRARY = re.compile(r"(?:/[\w.@%+~-]+)*/(?:site-packages|dist-packages|lib/python3\.\d+)/")
REQUEST = re.compile(r'"([A-Z]+) (?:[^" ]*)( HTTP/[\d.]+)?"')
UWSGI_REQUEST = re.compile(r"(\} \[[^\]]*\] [A-Z]+ )\S+( => )")
FIELD = re.compile(r'\b(server: |host: |referrer: |client: )("?)[^",\s][^",]*("?)')
SYSLOG = re.compile(r"^((?:\w{3} +\d+ [\d:]{8}|\d{4}-\d\d-\d\dT\S+) )(?!\[)([\w.-]+)(?= [\w./-]+(?:\[\d+\])?: )")
DATA = re.compile(r"\bb(['\"]).*\1")
NAMED_SECRET = re.compile(r"(?i)\b(\w*(?:password|passwd|secret|token|api_?key|credential)\w*[\"']?\s*[=:]\s*)\S+")
LOCAL = re.compile(r"(?<![\w\]…])" + PATH)
H2O_REQUEST = re.compile(r"(\] in request:)[^ ]*?(:[A-Za-z])")


@lru_cache(1)
def _masker() -> Masker:
    return masker(())


def masked(line: bytes | str) -> str:
    """The line as it may be shown."""
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
    text = plain(text[: 4 * LONGEST]).replace("\t", " ")
    text = SYSLOG.sub(r"\1[host]", text)
    text = REQUEST.sub(r'"\1 [path]\2"', text)
    text = UWSGI_REQUEST.sub(r"\1[path]\2", text)
    text = H2O_REQUEST.sub(r"\1[path]\2", text)
    text = FIELD.sub(r"\1\2[name]\3", text)
    text = NAMED_SECRET.sub(r"\1[secret]", text)
    text = DATA.sub("b'[data]'", text)
    text = LIBRARY.sub("…/", text)
    text = LOCAL.sub("[path]", _masker().text(text))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
