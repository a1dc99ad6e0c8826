"""What the machine did while a trial ran, and what each service of the trial used, read from outside the containers."""
