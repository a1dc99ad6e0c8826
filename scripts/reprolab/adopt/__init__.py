"""Makes a scenario of a stack that a user has."""
