"""The quality bench: narrawatch and its peers on labelled streams, with the same vectors, in the same run.

`python -m tests.bench.quality --help` is the way in; `make bench-quality` installs the peers first.
"""
