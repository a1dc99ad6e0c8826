"""Puts what all lab folders share into the wheel: `images/`, `docs/` and `scenarios/` of the repository.

Everything else of the build is in pyproject.toml. An editable install uses the repository's own folders.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# The folder of the repository -> its place in the wheel, as core/shared_files.py looks for it.
SHARED = {
    "images": "reprolab/shared_images",
    "docs": "reprolab/shared_docs",
    "scenarios": "reprolab/catalogue/scenarios",
}
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.jsonl")


class BuildWithSharedFiles(build_py):
    """Copies the shared folders beside the modules."""

    def run(self):
        super().run()
        for source, target in () if self.editable_mode else SHARED.items():
            place = Path(self.build_lib, target)
            # A file that was removed since the last build must not come back from there.
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(source, place, ignore=LEFT_OUT)


setup(cmdclass={"build_py": BuildWithSharedFiles})
