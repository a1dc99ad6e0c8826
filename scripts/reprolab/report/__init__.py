"""Reports: every one is made from a run's files, none from a live container."""
