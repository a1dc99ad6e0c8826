"""Django's manage.py, for `runserver`."""

import os
import sys

import handler
import witness

if __name__ == "__main__":
    witness.install()
    handler.install()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lab.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
