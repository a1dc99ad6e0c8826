"""Makes a line of a user's log fit to be shown: no names, addresses, paths, secrets or data, and nothing that acts.

What tells a case stays: the file of an installed package, the line, the status, the words of a server. In doubt a word
is masked, since an answer is often sent to others.
"""

from __future__ import annotations

import re
from functools import lru_cache

from reprolab.bugreport.redact import Masker, masker
from reprolab.core.foreign_text import plain
from reprolab.stack.hidden import KNOWN_FORMS, is_secret

LONGEST = 240  # characters
READ = 4 * LONGEST  # characters of a line that are masked and shown; the rest is not
PART = r"(?:[\w.@%+~:-]|\[user\])"  # of a path, in which a name may be masked already
LOCAL = re.compile(rf"(?<![\w\]…])(?:/{PART}+)+/?")
# Of an installed package and of Python's own library the part that is everywhere the same stays.
LIBRARY = re.compile(rf"(?:/{PART}+)*/(?:site-packages|dist-packages|lib/python3\.\d+)/")
QUOTED_PATH = re.compile(r"([\"'])/[^\"']+\1")
WINDOWS_PATH = re.compile(r"(?:\b[A-Za-z]:\\|\\\\)[^\s\"'<>|]+")
HOME_PATH = re.compile(r"(?<![\w~])~[\w.-]+(?:/\S*)?")
REQUEST = re.compile(r'"([A-Z]+) (?:[^" ]*)( HTTP/[\d.]+)?"')
UWSGI_REQUEST = re.compile(r"(\} \[[^\]]*\] [A-Z]+ )\S+( => )")
H2O_REQUEST = re.compile(r"(\] in request:)[^ ]*?(:[A-Za-z])")
BEHIND_HOST = re.compile(r"(\b(?!unix|file)\w{1,20}://[^\s/?#\"'<>]{1,300})[/?#][^\s\"'<>]+")
CREDENTIALS = re.compile(r"(\b\w{1,20}://)[^\s\"'<>]*@")
QUERY = re.compile(r"\?[\w%.\[\]-]+=[^\s\"'<>]*")
DATA = re.compile(r"\bb(['\"]).*\1")

VALUE = r"(?:\"[^\"]*\"?|'[^']*'?|[^\s,;&]+)"
HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]*(?:key|token|auth|secret)[\w-]*)"
    r"([\"']?\s{0,3}[:=]\s{0,3})(\"[^\"]*\"?|'[^']*'?|.+)"
)
SCHEME = re.compile(r"\b(Bearer|Basic|Digest|Negotiate)(:?\s+)[\w.~+/=-]{4,}")
NAME = re.compile(r"(?<![\w.-])([A-Za-z_][\w.-]{0,80})[\"']?\s{0,3}[=:]\s{0,3}")
BEHIND_NAME = re.compile(VALUE)
OPTION = re.compile(rf"(?<![\w-])(--?([A-Za-z][\w-]{{0,80}})\s+)(?!-)({VALUE})")
USER_PASSWORD = re.compile(r"((?<!\S)(?:-u|--user)[ =])[^\s:]+:\S+")
MORE_SECRETS = re.compile(
    r"(?:^|[_.-])(?:session|sessionid|sess|sid|csrf\w*|xsrf\w*|sig|signature|salt|otp|jwt|bearer)$", re.I
)
NO_SECRET = re.compile(r"Error$|Exception$|Warning$")
# A long word of letters and digits: a session, a key, a hash.
TOKEN = re.compile(r"(?<![\w/.+=-])(?=[A-Za-z+=-]*\d)(?=[\d+=-]*[A-Za-z])[A-Za-z0-9+=-]{24,}(?![\w/.])")
KEY_TEXT = re.compile(r"-----BEGIN .*|\bssh-(?:rsa|ed25519|dss) .*|\bMII[A-Za-z0-9+/=]{20,}")

FIELD = re.compile(r'\b(server: |host: |referrer: |client: )("?)[^",\s][^",]*("?)')
STAMP = (
    r"(?:<\d{1,3}>\d? ?)?(?:\w{3} +\d+ [\d:.]{8,15}|"
    r"(?:\w{3} )?\d{4}-\d\d-\d\d[T ][\d:.,]{8,15}(?:Z|[+-][\d:]{4,6})?(?: [A-Z]{2,5})?)"
)
SYSLOG = re.compile(rf"^({STAMP} )(?!\[)([\w.-]+)(?= [\w./@-]+(?:\[\d+\])?: )")
SYSLOG_5424 = re.compile(r"^(<\d{1,3}>\d \S+ )\S+(?= )")
USER_NAME = re.compile(r"(?i)\b((?:user|role|username|login|account|owner)(?: name)?[\"']?[ =:]{1,3})([\"'])[^\"']+\2")
USER_VALUE = re.compile(r"(?i)\b(user(?:name)?|login)=(?![\[\"'])[^\s,;&\"']+")
USER_AT = re.compile(r"'[^']+'@'[^']+'")
USER_ID = re.compile(r"\b((?:uid|gid|groups)=\d+)\([^)]*\)")
HOST_NAME = re.compile(r"(?i)\b((?:host ?name|host|server)[ =:]{1,3})([\"'])(?!\[)[^\"']+\2")
HOST_VALUE = re.compile(r"(?i)\b(host(?:name)?|server)=(?![\[\"'])[^\s,;&\"']+")
MAIL = re.compile(r"(?<![\w\]…/@])[\w.+-]+@(?!\[)[A-Za-z0-9][\w.-]*")
NO_FILE = r"(?!(?:py|pyx|pyc|c|h|cc|go|js|ts|rb|rs|java|kt|so|conf|ini|ya?ml|json|toml|log)\b)"
HOST_PORT = re.compile(rf"(?<![\w./@:-])(?:[A-Za-z0-9_-]+\.)+{NO_FILE}[A-Za-z][\w-]*(?=:\d{{2,5}}\b)")
ENDS = "com|net|org|edu|gov|io|dev|cloud|internal|local|lan|corp|intranet|localdomain|example"
HOST_DOMAIN = re.compile(rf"(?<![\w./@-])(?:[A-Za-z0-9_-]+\.)+(?:{ENDS})(?![\w(-]|\.\w)")


@lru_cache(1)
def _masker() -> Masker:
    return masker(())


def masked(line: bytes | str) -> str:
    """The line as it may be shown."""
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
    text = plain(text[:READ]).replace("\t", " ")
    for mask in (_without_hosts, _without_requests, _without_secrets, _without_names, _without_paths):
        text = mask(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _without_hosts(text: str) -> str:
    """Without the host that a journal writes before its lines."""
    return SYSLOG.sub(r"\1[host]", SYSLOG_5424.sub(r"\1[host]", text))


def _without_requests(text: str) -> str:
    text = REQUEST.sub(r'"\1 [path]\2"', text)
    text = UWSGI_REQUEST.sub(r"\1[path]\2", text)
    text = H2O_REQUEST.sub(r"\1[path]\2", text)
    return DATA.sub("b'[data]'", FIELD.sub(r"\1\2[name]\3", text))


def _without_secrets(text: str) -> str:
    """Without values that are secrets by their name, their place or their form."""
    text = HEADER.sub(r"\1\2[secret]", text)
    text = SCHEME.sub(r"\1\2[secret]", text)
    text = _without_named(text)
    text = OPTION.sub(lambda match: match[1] + ("[secret]" if _is_secret(match[2]) else match[3]), text)
    text = USER_PASSWORD.sub(r"\1[secret]", text)
    text = KEY_TEXT.sub("[secret]", KNOWN_FORMS.sub("[secret]", text))
    text = CREDENTIALS.sub(r"\1[credentials]@", text)
    return BEHIND_HOST.sub(r"\1/[path]", text)


def _without_named(text: str) -> str:
    """Without each value behind the name of a secret. A value may hold further names with values."""
    parts, end = [], 0
    for match in NAME.finditer(text):
        value = BEHIND_NAME.match(text, match.end())
        if value and match.start() >= end and _is_secret(match[1]):
            parts += [text[end : match.end()], "[secret]"]
            end = value.end()
    return "".join([*parts, text[end:]])


def _is_secret(name: str) -> bool:
    return (is_secret(name) or MORE_SECRETS.search(name) is not None) and not NO_SECRET.search(name)


def _without_names(text: str) -> str:
    """Without names of users and hosts, and without addresses."""
    for pattern, shown in (
        (USER_NAME, r"\1\2[user]\2"),
        (USER_VALUE, r"\1=[user]"),
        (USER_AT, "'[user]'@'[host]'"),
        (USER_ID, r"\1([user])"),
        (HOST_NAME, r"\1\2[host]\2"),
        (HOST_VALUE, r"\1=[host]"),
    ):
        text = pattern.sub(shown, text)
    text = MAIL.sub("[e-mail]", _masker().text(text))
    text = HOST_DOMAIN.sub("[host]", HOST_PORT.sub("[host]", text))
    return TOKEN.sub("[id]", text)


def _without_paths(text: str) -> str:
    text = LIBRARY.sub("…/", text)
    text = QUERY.sub("?[query]", text)
    text = HOME_PATH.sub("[path]", WINDOWS_PATH.sub("[path]", text))
    return LOCAL.sub("[path]", QUOTED_PATH.sub(r"\1[path]\1", text))
