"""Environment variables set by --env, and those of the shell."""

from reprolab import Claim, Column

from .common import Gunicorn, Lab, in_force

VARIANTS = {
    "documented": {},
    "both": {"ARGUMENTS": "--env NAME=argument --env SECOND=two", "SHELL_ENV": "NAME=shell"},
    "no-shell": {"ARGUMENTS": "--env NAME=argument --env SECOND=two"},
    "shell-only": {"SHELL_ENV": "NAME=shell"},
}
TRIALS = 2
PARALLEL = True


def drive(stack):
    """Ask the application for the values of the variables."""
    lab = Lab(stack)
    gunicorn = Gunicorn(lab).ready()
    observation = {
        "NAME": lab.ask("/env/NAME")["body"],
        "SECOND": lab.ask("/env/SECOND")["body"],
        "in_force": gunicorn.in_force(),
    }
    lab.keep()
    return observation


def argument_wins(o):
    """Both variables have the values of the arguments."""
    return (o["NAME"], o["SECOND"]) == ("argument", "two")


def seen(o):
    """The values."""
    return f"NAME={o['NAME']} SECOND={o['SECOND']}"


CLAIMS = [
    Claim(
        "GS-21",
        "raw_env: adds environment variables, several if wanted; wins over the shell's.",
        sign=argument_wins,
        trigger=in_force,
        shows=["both", "no-shell"],
        absent=["documented", "shell-only"],
        setting="raw_env",
        measured=seen,
    ),
]

COLUMNS = [Column("NAME", lambda o: o["NAME"]), Column("SECOND", lambda o: o["SECOND"])]
