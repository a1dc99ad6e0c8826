"""The logs of containers: of the lab's own, and of a stack's services. The latter are evidence, and are never cut."""

from __future__ import annotations

from docker.types import LogConfig

# The lab reads it through the engine.
SMALL_LOG = LogConfig(type=LogConfig.types.JSON, config={"max-size": "16m", "max-file": "1"})
# For a service of a stack. The engine's own configuration (`log-opts`) fills in what is not named here, and the engine
# does not take "no limit" where that has one.
WHOLE_LOG = {"max-size": "1000g", "max-file": "1", "compress": "false", "mode": "blocking"}
# For a container that only waits for commands.
NO_LOG = LogConfig(type="none")
