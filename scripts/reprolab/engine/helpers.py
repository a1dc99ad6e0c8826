"""The logs of the lab's own containers. Those of a stack's services are evidence, and have no limit."""

from __future__ import annotations

from docker.types import LogConfig

# The lab reads it through the engine.
SMALL_LOG = LogConfig(type=LogConfig.types.JSON, config={"max-size": "16m", "max-file": "1"})
# For a container that only waits for commands.
NO_LOG = LogConfig(type="none")
