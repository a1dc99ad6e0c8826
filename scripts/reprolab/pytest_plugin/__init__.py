"""The plugin for pytest: running stacks for tests, and claims as tests."""
