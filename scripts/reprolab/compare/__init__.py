"""What differs between two variants or two runs."""
