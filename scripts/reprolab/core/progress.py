"""The type of the function that shows progress to the user."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[str], None]
"""Called with one line of text before each step that takes time or changes the machine."""
