"""How the lab tells a person what it does."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[str], None]
"""Gets one line of text before each step that takes time or changes the machine."""
