"""Finds the least stack that still shows a claim's sign in every trial."""
