"""Reads the factors of the application from environment variables."""

import os
import sys


def chosen(name, meanings):
    """Return the meaning of the variable's value. Exits if ``meanings`` does not have the value."""
    value = os.environ[name]
    if value not in meanings:
        sys.exit("error: {} is one of {}; got {}".format(name, " ".join(meanings), value))
    return meanings[value]
