"""Where the files are that all lab folders share: `images/`, wrk's script, the pages of `docs/`, the lab's scenarios.

In a checkout they are at its top. The wheel has them inside the package (`setup.py` copies them there). A lab folder
uses those of the lab that is installed, except an image that it has itself: its own `images/NAME` stands first.
"""

from __future__ import annotations

import re
from pathlib import Path

import wrk_wrapper

IMAGES = "images"
DOCS = "docs"
SCENARIOS = "scenarios"
PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = PACKAGE.parents[1]
# The names of these folders inside the wheel's package.
IN_PACKAGE = {IMAGES: "shared_images", DOCS: "shared_docs", SCENARIOS: "catalogue/scenarios"}
# A path as compose.yaml files write it. The scenario of a lab folder reads like one of the checkout.
IMAGE_PATH = re.compile(r"(?:\.\./)+images/(?P<name>[\w.-]+)")
WRK_PATH = re.compile(r"(?:\.\./)+scripts/wrk_wrapper(?![\w-])")


def installed(folder: str) -> Path:
    """The directory of a shared folder (IMAGES, DOCS or SCENARIOS) of the installed lab."""
    inside = PACKAGE / IN_PACKAGE[folder]
    return inside if inside.is_dir() else CHECKOUT / folder


def catalogue() -> Path:
    """The folder above the lab's own scenarios: what a lab folder is for its scenarios."""
    return installed(SCENARIOS).parent


def image_file(root: Path, name: str) -> Path:
    """The path of the entry ``name`` of `images/`: the lab folder's own, else the one of the installed lab."""
    own_image = root / IMAGES / name
    return own_image if own_image.exists() else installed(IMAGES) / name


def image_folders(root: Path) -> tuple[Path, ...]:
    """The directories that hold the shared images of a lab folder, its own one first, each once."""
    return tuple(dict.fromkeys((root / IMAGES, installed(IMAGES))))


def with_places(compose_text: str, root: Path) -> str:
    """The text of a compose.yaml in which `../../images/NAME` is the place of that image.

    A path of an image that the lab folder has itself stays as it is, and so does one of an image that nobody has:
    Compose names it in its error.
    """

    def image(match: re.Match[str]) -> str:
        place = image_file(root, match["name"])
        return match[0] if place.is_relative_to(root / IMAGES) or not place.exists() else str(place)

    text = IMAGE_PATH.sub(image, compose_text)
    if (root / "scripts" / "wrk_wrapper").is_dir():
        return text
    return WRK_PATH.sub(str(Path(wrk_wrapper.__file__).resolve().parent).replace("\\", r"\\"), text)


def names_others(compose_text: str, root: Path) -> bool:
    """Whether `docker compose` by hand would miss an image of the text: it is the installed lab's."""
    return with_places(compose_text, root) != compose_text


def without_places(text: str, root: Path) -> str:
    """A text in which the places of the lab folder and of the shared images are the same on every machine."""
    return text.replace(str(root), ".").replace(str(installed(IMAGES)), f"./{IMAGES}")


def shown(path: Path, root: Path) -> str:
    """A path as a message names it: from the lab folder, or from `images/` of the installed lab."""
    return without_places(str(path), root).removeprefix("./")


def page(root: Path, name: str) -> str:
    """How a message names a page of the documentation, such as `authoring.md`: a path that the reader can open."""
    if (root / DOCS / name).is_file():
        return f"{DOCS}/{name}"
    return str(installed(DOCS) / name)
