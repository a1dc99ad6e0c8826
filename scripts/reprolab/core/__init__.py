"""What every package uses: errors, files, locks, subprocesses, statistics. Knows nothing of the lab."""
