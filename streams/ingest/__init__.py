"""Ingest: where comments come from, and the producer that brings them to the topic.

Files (`files`) yield `RawComment`s (`base`). Live sources keep the contract of `source`, one file each;
`registry` finds them, `service` runs them, `following` is what happens to one. Nothing is dropped in silence.
"""
