"""What the environment asks of the application. A factor without a meaning ends the program, by its name."""

import os
import sys


def chosen(name, meanings):
    """What the value of a variable means, from a table; exits for a value that is not in the table."""
    value = os.environ[name]
    if value not in meanings:
        sys.exit("error: {} is one of {}; got {}".format(name, " ".join(meanings), value))
    return meanings[value]
