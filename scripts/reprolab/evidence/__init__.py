"""A run's directory: where it lies, what it holds, how it is read back."""
