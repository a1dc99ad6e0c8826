"""Ask the package index whether pip's pins are available. Files are chosen as pip in the image would choose them."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread

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
from reprolab.core.number_words import plural
from reprolab.pins.pin import Pin, PinAnswer, State

CONNECTIONS = 8
TIMEOUT = 20.0  # seconds
# The minor version of glibc in Debian 11, the oldest release of the images. Wheels for a newer glibc do not count.
GLIBC = 31
OLD_NAMES = ("manylinux1", "manylinux2010", "manylinux2014", "linux")

Files = Sequence[DistributionPackage]


@dataclass(frozen=True)
class Index:
    """The indexes of pip in an image, and how this machine reaches them."""

    addresses: tuple[str, ...]
    certificates: str = ""
    proxy: str = ""


@dataclass(frozen=True)
class IndexPage:
    """The files of one project; ``failure`` is the reason if the index did not answer."""

    files: Files = ()
    failure: str = ""


def index_of(environ: Mapping[str, str], root: Path = Path("/")) -> Index:
    """Return the indexes of this machine's pip that a container can reach, else pip's default index."""
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


def ask(names: Iterable[str], index: Index) -> dict[str, IndexPage]:
    """Return name -> its page. Pages are requested in parallel."""
    names = sorted(set(names))
    with requests.Session() as session, ThreadPoolExecutor(CONNECTIONS) as pool:
        session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=Retry(2, backoff_factor=0.5)))
        session.verify = index.certificates or True
        if index.proxy:
            session.proxies = {"http": index.proxy, "https": index.proxy}
        clients = [PyPISimple(address, session=session) for address in index.addresses]
        # If the first request fails, the index is not asked again.
        first = _page(names[0], clients) if names else IndexPage()
        if first.failure:
            return dict.fromkeys(names, first)
        pages = pool.map(lambda name: _page(name, clients), names[1:])
        return dict(zip(names, [first, *pages], strict=False))


def ask_within(names: Iterable[str], limit: float) -> dict[str, IndexPage]:
    """Return name -> its page on this machine's index, after at most ``limit`` seconds."""
    asked = set(names)
    pages: dict[str, IndexPage] = {}
    if asked:
        thread = Thread(target=lambda: pages.update(ask(asked, index_of(os.environ))), daemon=True)
        thread.start()
        thread.join(limit)
    return dict.fromkeys(asked, IndexPage(failure=f"no answer within {limit:g} s")) | dict(pages)


def _page(name: str, clients: Iterable[PyPISimple]) -> IndexPage:
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
            return IndexPage(failure=f"{client.endpoint} did not answer: {_reason(error)}")
    return IndexPage(files)


def _reason(error: Exception) -> str:
    """Return the error in a few words, without the project's name."""
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"{response.status_code} {response.reason}"


def judge(pin: Pin, page: IndexPage, machine: str) -> PinAnswer:
    """Return the answer for one pin in an image for ``machine``, as in "x86_64"."""
    if page.failure:
        return PinAnswer(State.NOT_ASKED, page.failure)
    if not page.files:
        return PinAnswer(State.GONE, "the index has no such project")
    specifiers = SpecifierSet(pin.wanted, prereleases=True)
    matching = [file for file in page.files if (version := _version(file)) and version in specifiers]
    usable = [file for file in matching if usable_by(file, pin.base, machine)]
    if not usable:
        others = {_version(file) for file in page.files if usable_by(file, pin.base, machine)}
        return PinAnswer(
            State.GONE,
            _missing_reason(matching) + "; " + _alternatives(pin, [version for version in others if version]),
        )
    hashed = [file for file in usable if not pin.hashes or pin.hashes & set(_hashes(file))]
    if not hashed:
        names = ", ".join(file.filename for file in usable)
        return PinAnswer(State.GONE, f"no hash in the list matches {names}")
    warning = ""
    if all(file.is_yanked for file in hashed):
        warning = f"yanked: {hashed[0].yanked_reason or 'no reason is given'}"
    return PinAnswer(State.AVAILABLE, str(_version(hashed[0])), warning)


def _version(file: DistributionPackage) -> Version | None:
    try:
        return Version(file.version or "")
    except InvalidVersion:
        return None


def _hashes(file: DistributionPackage) -> Iterator[str]:
    return (f"{kind}:{digest}" for kind, digest in file.digests.items())


def _missing_reason(matching: Files) -> str:
    if not matching:
        return "the index has no such version"
    pythons = {file.requires_python for file in matching} - {None, ""}
    required = f" (Python {', '.join(map(str, pythons))})" if pythons else ""
    return f"none of its {plural(len(matching), 'file')} is for this Python{required}"


def _alternatives(pin: Pin, versions: Iterable[Version]) -> str:
    """Return the versions for this Python that are next to the pin, and the newest one."""
    available = sorted(versions)
    if not available:
        return "there is no version for this Python"
    exact = (Version(specifier.version) for specifier in SpecifierSet(pin.wanted) if specifier.operator == "==")
    wanted = next(exact, available[-1])
    before = [version for version in available if version < wanted][-1:]
    after = [version for version in available if version > wanted][:1]
    return "there is " + ", ".join(map(str, dict.fromkeys([*before, *after, available[-1]])))


def usable_by(file: DistributionPackage, python: str, machine: str) -> bool:
    """Whether pip of this CPython would install the file: a source distribution, or a wheel with a matching tag."""
    try:
        if file.requires_python and python not in SpecifierSet(file.requires_python):
            return False
    except InvalidSpecifier:
        pass  # pip ignores it too
    if file.package_type != "wheel":
        return file.package_type == "sdist"
    try:
        return bool(parse_wheel_filename(file.filename)[3] & tags(python, machine))
    except InvalidWheelFilename:
        return False


@cache
def tags(python: str, machine: str) -> frozenset[Tag]:
    """Return the tags of the wheels that this CPython accepts in a Debian image."""
    version = tuple(int(part) for part in python.split(".")[:2])
    names = [f"manylinux_2_{minor}" for minor in range(GLIBC, 4, -1)]
    platforms = [f"{name}_{machine}" for name in (*names, *OLD_NAMES)]
    interpreter = f"cp{version[0]}{version[1]}"
    # Until Python 3.7 the name of the ABI ends in "m", for the pymalloc allocator.
    abi = interpreter + ("m" if version < (3, 8) else "")
    return frozenset([*cpython_tags(version, [abi], platforms), *compatible_tags(version, interpreter, platforms)])
