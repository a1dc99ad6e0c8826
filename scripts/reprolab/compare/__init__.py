"""What differs between two variants of a run, or between two runs: facts first, then the logs; all from files."""
