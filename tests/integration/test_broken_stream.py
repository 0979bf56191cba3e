"""A worker on a stream of garbage: it stops, says why, and loses nothing."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import TopicPartition

from streams.broker import EmbeddedBroker
from streams.connection import open_consumer
from streams.records import decode_dead_letter
from streams.settings import load_settings
from streams.topics import Topic, create_topics, topic_name
from tests.integration.live import ROOT, Line, environment_of, records, send

pytestmark = pytest.mark.integration

GARBAGE = 900
LIMIT = 500


def test_a_broken_stream_stops_the_worker_and_nothing_is_skipped(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        settings = load_settings(
            kafka_bootstrap=broker.address,
            kafka_embedded=True,
            app_id=f"b{time.monotonic_ns()}",
            partitions=1,
            model="hash",
            data_dir=tmp_path,
            cache_dir=tmp_path,
            metrics_port=0,
            author_key="a key of authors for the tests",
            broken_stream_records=LIMIT,
            batch_max_comments=100,
        )
        create_topics(settings)
        send(settings, [Line(None, b"{%d" % number) for number in range(GARBAGE)])
        done = subprocess.run(
            [sys.executable, "-m", "streams", "worker"],
            cwd=ROOT,
            env=environment_of(settings),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 1
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("narrawatch: ")]
        assert f"of the last {LIMIT} records {LIMIT} were refused" in line
        assert "mostly invalid_json" in line
        assert "comments[0]@0" in line
        assert "broken_stream_records" in line
        comments = TopicPartition(topic_name(settings, Topic.COMMENTS), 0)
        with open_consumer(settings, group_id=settings.app_id) as consumer:
            committed = consumer.committed(comments) or 0
        letters = [
            decode_dead_letter(record.value or b"") for record in records(settings, Topic.DEAD_LETTERS)
        ]
        assert {letter.original for letter in letters} == {b"{%d" % number for number in range(len(letters))}
        # What follows comes again: every place that was moved past has its letter.
        assert committed <= len(letters) < LIMIT
