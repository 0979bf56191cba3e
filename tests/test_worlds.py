"""The labelled worlds are what their README says."""

from collections import Counter

import pytest

from tests.worlds import names, read_world


def test_all_are_there() -> None:
    worlds = [read_world(name) for name in names()]
    assert len(worlds) == 16
    assert sum(len(world.comments) for world in worlds) == 5115


@pytest.mark.parametrize("name", names())
def test_a_world_is_whole(name: str) -> None:
    world = read_world(name)
    ids = {one.comment_id: one for one in world.comments}
    assert len(ids) == len(world.comments)
    assert all(ids[one.parent].thread == one.thread for one in world.comments if one.parent)
    mentions = Counter(narrative for one in world.comments for narrative in one.makes)
    assert mentions.keys() == world.narratives.keys()
    assert min(mentions.values()) >= 10
    assert Counter(world.narratives.values())["campaign"] == 1
    chatter = sum(not one.makes for one in world.comments) / len(world.comments)
    assert 0.3 < chatter < 0.45
