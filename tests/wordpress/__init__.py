"""A real WordPress for tests: Debian's packages, with a database and a web server of its own."""
