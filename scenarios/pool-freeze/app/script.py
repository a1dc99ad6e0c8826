"""Runs the five tasks as a plain script: `python script.py NUMBER`."""

import sys

import handler
import runners
import witness

if __name__ == "__main__":
    witness.install()
    handler.install()
    runners.run(int(sys.argv[1]))
