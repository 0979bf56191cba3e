from streams.ingest.memory import Memory, recalled
from streams.ingest.source import BadItem, SourceComment


def said(number: int, text: str = "a claim") -> SourceComment:
    return SourceComment(id=str(number), text=text)


def test_the_same_is_no_news_and_an_edit_is() -> None:
    memory = Memory({}, 10)
    assert memory.tells_news(said(1))
    assert not memory.tells_news(said(1))
    assert memory.tells_news(said(1, "another claim"))


def test_what_only_looks_different_in_markup_is_no_edit() -> None:
    memory = Memory({}, 10)
    assert memory.tells_news(said(1, '<p class="a">a <b>claim</b></p>'))
    assert not memory.tells_news(said(1, '<p class="b">a <b>claim</b></p>'))


def test_a_deletion_is_news_of_what_was_told_and_once() -> None:
    memory = Memory({}, 10)
    gone = SourceComment(id="1", deleted=True)
    assert not memory.tells_news(gone)
    memory.tells_news(said(1))
    assert memory.tells_news(gone)
    assert not memory.tells_news(gone)
    assert memory.is_deleted("1")
    assert memory.tells_news(said(1))


def test_it_keeps_no_more_than_its_limit() -> None:
    memory = Memory({}, 3)
    for number in range(5):
        memory.tells_news(said(number))
    assert list(memory) == ["2", "3", "4"]


def test_it_remembers_how_far_back_it_has_forgotten() -> None:
    memory = Memory({}, 2)
    for number in range(5):
        memory.tells_news(said(number), at=1_000 + number)
    assert memory.forgotten_at == 1_002
    again = Memory(memory.kept(), 2)
    assert (again.forgotten_at, list(again)) == (1_002, ["3", "4"])


def test_it_goes_on_from_what_it_kept() -> None:
    first = Memory({}, 10)
    first.tells_news(said(1), at=1_700_000_000)
    first.tells_news(said(2))
    second = Memory(first.kept(), 10)
    assert not second.tells_news(said(1))
    assert (second.at("1"), second.at("2"), second.at("3")) == (1_700_000_000, 0, 0)


def test_what_may_have_been_told_is_news_whatever_becomes_of_it() -> None:
    kept = recalled({}, ["1", "2"], at=5)
    memory = Memory(kept, 10)
    assert memory.at("1") == 5
    assert memory.tells_news(said(1))
    assert memory.tells_news(SourceComment(id="2", deleted=True))


def test_what_cannot_be_read_is_told_of_once_whatever_its_counters() -> None:
    memory = Memory({}, 10)
    assert memory.tells_bad_news(BadItem(b'{"id": 7, "reads": 1}', "bad"))
    assert not memory.tells_bad_news(BadItem(b'{"id": 7, "reads": 2}', "bad"))
    assert memory.tells_bad_news(BadItem(b'{"comment": {"id": 7}, "counts": 1}', "bad")) is False
    assert memory.tells_bad_news(BadItem(b"[1", "bad"))
    assert not memory.tells_bad_news(BadItem(b"[1", "bad"))
    assert list(memory) == []
    assert not Memory(memory.kept(), 10).tells_bad_news(BadItem(b"[1", "bad"))
