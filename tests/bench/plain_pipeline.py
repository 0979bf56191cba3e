"""What one would write without narrawatch, to be compared with: `python -m tests.bench.plain_pipeline`.

kafka-python polls comments, sentence-transformers embeds what a poll brings, River's DBSTREAM clusters vector
by vector, prometheus_client counts. No sentences, no languages, no narratives that keep their names, no
evidence, no state that survives.
"""

import json
import time

import click
from kafka import KafkaConsumer
from prometheus_client import CollectorRegistry, Counter, Gauge
from sentence_transformers import SentenceTransformer

_POLL_MS = 500
_MOST = 256
_RADIUS = 0.5  # of a cluster, between normalised vectors


@click.command()
@click.argument("bootstrap")
@click.argument("topic")
@click.argument("folder")
@click.option("--comments", required=True, type=int)
def main(bootstrap: str, topic: str, folder: str, comments: int) -> None:
    """Say "ready", take so many comments, and say how many seconds that took from the first poll on."""
    from river.cluster import DBSTREAM  # noqa: PLC0415 - an extra, and slow to import

    registry = CollectorRegistry()
    taken = Counter("comments", "Comments taken.", ["cluster"], registry=registry)
    clusters = Gauge("clusters", "Clusters.", registry=registry)
    model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    model.encode(["Loaded, and ready to go."])
    clusterer = DBSTREAM(clustering_threshold=_RADIUS)
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=topic)
    click.echo("ready")
    click.get_text_stream("stdin").readline()
    begun, done = time.perf_counter(), 0
    while done < comments:
        polled = consumer.poll(timeout_ms=_POLL_MS, max_records=_MOST)
        texts = [json.loads(record.value or b"")["text"] for records in polled.values() for record in records]
        if not texts:
            continue
        for vector in model.encode(texts, normalize_embeddings=True):
            point = dict(enumerate(vector.tolist()))
            clusterer.learn_one(point)
            taken.labels(cluster=str(clusterer.predict_one(point))).inc()
        clusters.set(clusterer.n_clusters)
        done += len(texts)
        consumer.commit()
    click.echo(f"{time.perf_counter() - begun:.3f}")


if __name__ == "__main__":
    main()
