"""Which of the lab's cases a log shows: `reprolab diagnose`."""
