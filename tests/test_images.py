"""What a failed build says."""

from reprolab.images import build_failure

LOG = """#7 0.61 ERROR: Could not find a version that satisfies the requirement gunicorn==99 (from versions: 0.1, 0.2)
#7 0.61 ERROR: No matching distribution found for gunicorn==99
#7 ERROR: process "/bin/sh -c pip install" did not complete successfully: exit code: 1
#7 0.61 ERROR: No matching distribution found for gunicorn==99
"""


def test_a_build_that_failed_says_why_once() -> None:
    """The installer's own words stand, each once, without the build tool's frame around them."""
    assert build_failure(LOG).splitlines() == [
        "Could not find a version that satisfies the requirement gunicorn==99 (from versions: 0.1, 0.2)",
        "No matching distribution found for gunicorn==99",
    ]


def test_a_log_without_a_reason_gives_none() -> None:
    """Then the log's last lines are shown instead."""
    assert build_failure("#1 done\n") == ""
