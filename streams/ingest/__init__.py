"""Ingest: where comments come from, and the producer that brings them to the topic.

Every source yields `RawComment`s (`streams.ingest.base`); nothing it meets is dropped in silence.
"""
