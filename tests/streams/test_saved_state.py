"""State that is saved: whoever goes on from it says what the first would have said, from any moment on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from models.snapshot import Packed, SnapshotError
from streams.claims_log import ClaimsRecord
from streams.errors import BrokerError
from streams.records import ClaimBatch, encode_claims
from streams.settings import Settings, load_settings
from streams.shard_state import (
    PART_BYTES,
    PieceName,
    Pieces,
    assemble,
    changed_records,
    key_of_part,
    split,
    unpack_shard,
)
from streams.topics import Topic
from tests.streams.test_agents import NarrativesBench, batch_of, records_of, texts


@dataclass
class MemoryTopic:
    """The topic of state, compacted at once. owner: of the last that took it over."""

    records: dict[bytes, bytes] = field(default_factory=dict)
    owner: int = 0
    written: int = 0
    partition: int = 0


class MemoryKeeper:
    """Saves into a dictionary, as the broker would: at once or not at all, and only the last owner's."""

    model = "hash"
    save_seconds = 0.0

    def __init__(self, topic: MemoryTopic, *, end: int = 10**9, fails: int = 0) -> None:
        self._topic = topic
        self._end = end
        self._fails = fails
        self._owner = 0
        self.taken = 0

    async def take(self, partition: int) -> None:
        assert partition == self._topic.partition
        self._topic.owner += 1
        self._owner = self._topic.owner
        self.taken += 1

    def read(self, partition: int) -> dict[PieceName, Packed]:
        assert partition == self._topic.partition
        return assemble(self._topic.records)

    def claims_end(self, partition: int) -> int:
        assert partition == self._topic.partition
        return self._end

    async def save(
        self, partition: int, pieces: Pieces, dropped: Iterable[PieceName], *, everything: bool = False
    ) -> None:
        assert partition == self._topic.partition
        if self._owner != self._topic.owner:
            raise BrokerError("another worker has it")
        if self._fails:
            self._fails -= 1
            raise BrokerError("the broker is away")
        self._topic.written += len(pieces)
        known = self._topic.records.keys()
        for key, value in changed_records(pieces, dropped, known, everything=everything).items():
            if value is None:
                del self._topic.records[key]
            else:
                self._topic.records[key] = value

    async def release(self, partition: int) -> None:
        assert partition == self._topic.partition


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path, cache_dir=tmp_path, partitions=1, model="hash")


def narratives_in(topic: MemoryTopic) -> set[PieceName]:
    return {name for name in assemble(topic.records) if name.piece.startswith("narrative/")}


def log_of(count: int) -> list[ClaimsRecord]:
    return records_of([batch_of(n, text) for n, text in enumerate(texts(count))])


async def test_a_worker_goes_on_from_what_was_saved(settings: Settings) -> None:
    log = log_of(60)
    whole = NarrativesBench(settings, log)
    await whole.give(log)
    for cut in (1, 13, 40, 59):
        topic = MemoryTopic()
        first = NarrativesBench(settings, log, keeper=MemoryKeeper(topic))
        await first.give(log[:cut])
        second = NarrativesBench(settings, log, keeper=MemoryKeeper(topic))
        await second.agent.assigned({0: cut})
        await second.give(log[cut:])
        assert second.read == []  # all that is needed was saved
        said = [*first.outlet.values(Topic.EVENTS), *second.outlet.values(Topic.EVENTS)]
        assert said == whole.outlet.values(Topic.EVENTS)
        views = first.narratives() | second.narratives()
        assert views == whole.narratives()


async def test_what_came_after_the_last_save_is_read_again(settings: Settings) -> None:
    log = log_of(60)
    whole = NarrativesBench(settings, log)
    await whole.give(log)
    topic = MemoryTopic()
    keeper = MemoryKeeper(topic)
    first = NarrativesBench(settings, log, keeper=keeper)
    await first.give(log[:20])
    keeper.save_seconds = 1e9
    await first.give(log[20:35])
    for committed in (35, 28, 12):  # commits lag behind what was said, or saved
        second = NarrativesBench(settings, log, keeper=MemoryKeeper(MemoryTopic(dict(topic.records))))
        await second.agent.assigned({0: committed})
        events = await second.give(log[committed:])
        assert second.read == ([(20, committed)] if committed > 20 else [])
        assert all(event.acked for event in events)
        views = first.narratives() | second.narratives()
        assert views == whole.narratives()
        assert set(second.outlet.values(Topic.EVENTS)) <= set(whole.outlet.values(Topic.EVENTS))


async def test_records_that_wait_to_be_put_in_order_are_saved_too(settings: Settings) -> None:
    batches = [batch_of(n, text, partition=n % 2) for n, text in enumerate(texts(40))]
    begun_ms = batches[0].arrival_ms
    log = [ClaimsRecord(n, begun_ms + n, encode_claims(batch)) for n, batch in enumerate(batches)]
    whole = NarrativesBench(settings, log, partitions=2)
    await whole.give(log)
    topic = MemoryTopic()
    first = NarrativesBench(settings, log, partitions=2, keeper=MemoryKeeper(topic))
    given = await first.give(log[:21])
    acked = sum(event.acked for event in given)
    assert acked < 21
    second = NarrativesBench(settings, log, partitions=2, keeper=MemoryKeeper(topic))
    await second.agent.assigned({0: acked})
    again = await second.give(log[acked:])
    for bench in (whole, second):
        bench.now_ms = log[-1].written_ms + 10**7
        await bench.agent.tick()
    assert all(event.acked for event in again)
    assert first.narratives() | second.narratives() == whole.narratives()


async def test_time_does_not_pass_while_records_are_on_their_way(settings: Settings) -> None:
    batches = [batch_of(n, text, partition=n % 2) for n, text in enumerate(texts(10))]
    log = [ClaimsRecord(n, batches[0].arrival_ms + n, encode_claims(one)) for n, one in enumerate(batches)]
    bench = NarrativesBench(settings, log, partitions=2)
    events = await bench.give(log)
    bench.now_ms, bench.end = log[-1].written_ms + 10**7, len(log) + 1
    await bench.agent.tick()
    assert not all(event.acked for event in events)
    bench.end = len(log)
    await bench.agent.tick()
    assert all(event.acked for event in events)


async def test_only_what_changed_is_written_and_what_is_gone_is_dropped(settings: Settings) -> None:
    topic = MemoryTopic()
    bench = NarrativesBench(settings, [], keeper=MemoryKeeper(topic))
    quiet = [batch_of(100 + n, f"Something else about the tide tables {n * 7919}.") for n in range(12)]
    await bench.give(records_of([*(batch_of(n, text) for n, text in enumerate(texts(40))), *quiet]), 40)
    before, old = topic.written, narratives_in(topic)
    assert old
    late = [batch_of(10_000_000 + n, f"Years later nobody remembers any of it {n}.") for n in range(9)]
    log = [ClaimsRecord(1000 + n, one.arrival_ms, encode_claims(one)) for n, one in enumerate(late)]
    await bench.give(log, len(log))
    assert topic.written - before <= 5  # shard, core, the last of the comments, and what is new
    assert not old & narratives_in(topic)


async def test_a_worker_that_was_replaced_saves_nothing_and_asks_again(settings: Settings) -> None:
    log = log_of(60)
    topic = MemoryTopic()
    old_keeper = MemoryKeeper(topic)
    old = NarrativesBench(settings, log, keeper=old_keeper)
    await old.give(log[:10])
    new = NarrativesBench(settings, log, keeper=MemoryKeeper(topic))
    await new.agent.assigned({0: 10})
    await new.give(log[10:30])
    saved = dict(topic.records)
    await old.give(log[10:20], 10)
    assert topic.records == saved
    await old.give(log[30:])  # it has the partition after all: it goes on from what the other saved
    assert old_keeper.taken == 2
    whole = NarrativesBench(settings, log)
    await whole.give(log)
    final = new.narratives() | old.narratives()
    assert final == whole.narratives()


async def test_a_save_that_fails_loses_nothing(settings: Settings) -> None:
    log = log_of(60)
    topic = MemoryTopic()
    bench = NarrativesBench(settings, log, keeper=MemoryKeeper(topic, fails=3))
    events = await bench.give(log)
    assert all(event.acked for event in events)
    whole = NarrativesBench(settings, log)
    await whole.give(log)
    assert bench.narratives() == whole.narratives()


async def test_the_state_of_another_model_is_replaced(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    log = log_of(60)
    topic = MemoryTopic()
    foreign = MemoryKeeper(topic)
    foreign.model = "another"
    await NarrativesBench(settings, log, keeper=foreign).give(log)
    stale = set(topic.records)
    bench = NarrativesBench(settings, log, keeper=MemoryKeeper(topic))
    await bench.agent.assigned({0: 60})
    assert "of the model another" in caplog.text
    assert bench.read == [(0, 60)]
    await bench.give(log_of(61)[60:])
    saved = unpack_shard(assemble(topic.records))
    assert saved is not None
    assert saved.state.model == "hash"
    assert stale - set(topic.records) or stale <= set(topic.records)


@pytest.mark.parametrize("key", [b"junk", key_of_part(PieceName("default", "core"), 3)])
async def test_what_is_no_state_is_replaced_by_the_first_save(
    settings: Settings, caplog: pytest.LogCaptureFixture, key: bytes
) -> None:
    topic = MemoryTopic({key: b"junk"})
    log = log_of(60)
    await NarrativesBench(settings, log, keeper=MemoryKeeper(topic)).give(log)
    assert "cannot be used" in caplog.text
    caplog.clear()
    again = NarrativesBench(settings, log, keeper=MemoryKeeper(topic))
    await again.agent.assigned({0: 60})
    assert "cannot be used" not in caplog.text
    assert again.read == []


async def test_a_topic_of_claims_that_was_made_anew_is_read_from_its_beginning(settings: Settings) -> None:
    log = log_of(60)
    topic = MemoryTopic()
    first = NarrativesBench(settings, log, keeper=MemoryKeeper(topic))
    await first.give(log)
    known = first.narratives()
    later = [batch_of(200 + n, text) for n, text in enumerate(texts(20))]
    second = NarrativesBench(settings, [], keeper=MemoryKeeper(topic, end=20))
    await second.agent.assigned({0: 0})
    events = await second.give(records_of(later))
    assert all(event.acked for event in events)
    assert second.narratives().keys() & known.keys()
    assert second.metric("narrawatch_comments_total", desk="default") == 20


def test_large_pieces_are_cut_and_put_together_again() -> None:
    name = PieceName("desk", "core")
    content = bytes(range(256)) * (PART_BYTES // 100)
    records = dict(split(name, content))
    assert len(records) == 3
    assert assemble(records) == {name: content}
    smaller = changed_records({name: b"less"}, [], records.keys(), everything=False)
    assert [key for key, value in smaller.items() if value is None] == [key_of_part(name, n) for n in (1, 2)]
    assert assemble(records | dict(split(name, b"less"))) == {name: b"less"}
    del records[key_of_part(name, 1)]
    with pytest.raises(SnapshotError, match="part of core"):
        assemble(records)


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"junk",
        b"\x93\x01",
        encode_claims(
            ClaimBatch(desk="d", source="s", comment_id="c", partition=0, offset=0, arrival_ms=0, claims=[])
        ),
    ],
)
def test_records_of_something_else_are_no_state(junk: bytes) -> None:
    with pytest.raises(SnapshotError):
        assemble({junk: b"x", key_of_part(PieceName("", "shard"), 0): junk})
