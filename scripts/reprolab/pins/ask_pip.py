"""Whether pip can have its pins: the index's list of files, judged as pip in the image would."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import requests
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version
from pypi_simple import PYPI_SIMPLE_ENDPOINT, DistributionPackage, NoSuchProjectError, PyPISimple
from pypi_simple.errors import UnsupportedContentTypeError, UnsupportedRepoVersionError
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from reprolab.baseimage import host_config
from reprolab.pins.pin import Answer, Pin, State

AT_ONCE = 8
TIMEOUT = 20.0  # seconds
# Of Debian 11, the oldest release that images here are made from; a wheel for a newer C library counts as none.
GLIBC = 31
OLD_NAMES = ("manylinux1", "manylinux2010", "manylinux2014", "linux")

Files = Sequence[DistributionPackage]


@dataclass(frozen=True)
class Index:
    """The indexes that pip in an image asks, and how they are reached from here."""

    addresses: tuple[str, ...]
    certificates: str = ""
    proxy: str = ""


@dataclass(frozen=True)
class Page:
    """The files of one name; ``failure`` says why they could not be asked for."""

    files: Files = ()
    failure: str = ""


def index_of(environ: Mapping[str, str], root: Path = Path("/")) -> Index:
    """The index that this machine's pip is set up for, as far as a container can reach it; else pip's default."""
    parser = configparser.RawConfigParser()
    parser.read_string(host_config.pip_conf(environ, root))
    settings = parser["global"]
    more = settings.get("extra-index-url", "").split()
    certificates = settings.get("cert", "")
    return Index(
        (settings.get("index-url", PYPI_SIMPLE_ENDPOINT), *more),
        certificates if Path(certificates).is_file() else "",
        settings.get("proxy", ""),
    )


def ask(names: Iterable[str], index: Index) -> dict[str, Page]:
    """The page of each name, several asked for at once."""
    names = sorted(set(names))
    with requests.Session() as session, ThreadPoolExecutor(AT_ONCE) as pool:
        session.mount("https://", HTTPAdapter(pool_maxsize=AT_ONCE, max_retries=Retry(2, backoff_factor=0.5)))
        session.verify = index.certificates or True
        if index.proxy:
            session.proxies = {"http": index.proxy, "https": index.proxy}
        clients = [PyPISimple(address, session=session) for address in index.addresses]
        # An index that does not answer once is not waited for again and again.
        first = _page(names[0], clients) if names else Page()
        if first.failure:
            return dict.fromkeys(names, first)
        pages = pool.map(lambda name: _page(name, clients), names[1:])
        return dict(zip(names, [first, *pages], strict=False))


def _page(name: str, clients: Iterable[PyPISimple]) -> Page:
    files: list[DistributionPackage] = []
    for client in clients:
        try:
            files += client.get_project_page(name, timeout=TIMEOUT).packages
        except NoSuchProjectError:
            continue
        except (
            requests.exceptions.RequestException,
            UnsupportedContentTypeError,
            UnsupportedRepoVersionError,
            ValueError,
        ) as error:
            return Page(failure=f"{client.endpoint} did not answer: {_reason(error)}")
    return Page(files)


def _reason(error: Exception) -> str:
    """In a few words, the same for every name."""
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"{response.status_code} {response.reason}"


def judge(pin: Pin, page: Page, machine: str) -> Answer:
    """The answer for one pin in an image for ``machine``."""
    if page.failure:
        return Answer(State.UNASKED, page.failure)
    if not page.files:
        return Answer(State.GONE, "the index has no such name")
    wanted = SpecifierSet(pin.wanted, prereleases=True)
    matching = [file for file in page.files if (version := _version(file)) and version in wanted]
    usable = [file for file in matching if usable_by(file, pin.base, machine)]
    if not usable:
        others = {_version(file) for file in page.files if usable_by(file, pin.base, machine)}
        return Answer(State.GONE, _why(matching) + "; " + _instead(pin, [one for one in others if one]))
    hashed = [file for file in usable if not pin.hashes or pin.hashes & set(_hashes(file))]
    if not hashed:
        names = ", ".join(file.filename for file in usable)
        return Answer(State.GONE, f"no hash of the list is that of {names}")
    warning = ""
    if all(file.is_yanked for file in hashed):
        warning = f"yanked: {hashed[0].yanked_reason or 'no reason is given'}"
    return Answer(State.THERE, str(_version(hashed[0])), warning)


def _version(file: DistributionPackage) -> Version | None:
    try:
        return Version(file.version or "")
    except InvalidVersion:
        return None


def _hashes(file: DistributionPackage) -> Iterator[str]:
    return (f"{kind}:{digest}" for kind, digest in file.digests.items())


def _why(matching: Files) -> str:
    if not matching:
        return "the index has no such version"
    pythons = {file.requires_python for file in matching} - {None, ""}
    told = f" (Python {', '.join(map(str, pythons))})" if pythons else ""
    return f"its {len(matching)} file(s) are not for this Python{told}"


def _instead(pin: Pin, versions: Iterable[Version]) -> str:
    """The versions around the pin that this Python can have, and the newest."""
    found = sorted(versions)
    if not found:
        return "there is no version for this Python"
    wanted = next((Version(one.version) for one in SpecifierSet(pin.wanted) if one.operator == "=="), found[-1])
    near = [*[one for one in found if one < wanted][-1:], *[one for one in found if one > wanted][:1], found[-1]]
    return "there is " + ", ".join(map(str, dict.fromkeys(near)))


def usable_by(file: DistributionPackage, python: str, machine: str) -> bool:
    """Whether pip under this CPython would take the file: a source distribution, or a wheel of a fitting tag."""
    try:
        if file.requires_python and python not in SpecifierSet(file.requires_python):
            return False
    except InvalidSpecifier:
        pass  # pip does not mind either
    if file.package_type != "wheel":
        return file.package_type == "sdist"
    try:
        return bool(parse_wheel_filename(file.filename)[3] & tags(python, machine))
    except InvalidWheelFilename:
        return False


@cache
def tags(python: str, machine: str) -> frozenset[Tag]:
    """The tags of the wheels that this CPython takes in a Debian image."""
    version = tuple(int(part) for part in python.split(".")[:2])
    names = [f"manylinux_2_{minor}" for minor in range(GLIBC, 4, -1)]
    platforms = [f"{name}_{machine}" for name in (*names, *OLD_NAMES)]
    interpreter = f"cp{version[0]}{version[1]}"
    # Until 3.7 the ABI's name said which allocator it was built with.
    abi = interpreter + ("m" if version < (3, 8) else "")
    return frozenset([*cpython_tags(version, [abi], platforms), *compatible_tags(version, interpreter, platforms)])
