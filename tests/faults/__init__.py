"""The fault suite: what the workers do when things break. See `tests.faults.__main__`."""
