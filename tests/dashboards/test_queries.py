"""Every query of every dashboard, against a real Prometheus that holds six hours of the app's own metrics."""

import math
import re
from typing import Any

import pytest

from dashboards.catalogue import all_models
from tests.dashboards.around import BUSY, CLOSED
from tests.dashboards.interpolation import CHOICES, Question, filled, questions, variables
from tests.dashboards.world import CHOSEN, DESK, END, LABEL, START, WATCH
from tests.prometheus import Prometheus

MODELS = all_models()
QUESTIONS = [question for name, model in MODELS.items() for question in questions(name, model)]
STEP = 60.0


def ask(prometheus: Prometheus, question: Question, choice: str) -> list[dict[str, Any]]:
    expression = filled(question.expression, MODELS[question.board], CHOICES[choice])
    if question.instant:
        return prometheus.instant(expression, END)
    return prometheus.course(expression, START, END, STEP)


def numbers(series: list[dict[str, Any]]) -> list[float]:
    pairs = [pair for one in series for pair in one.get("values", [one.get("value")])]
    return [float(value) for _, value in pairs if not math.isnan(float(value))]


def by_place(board: str, place: str) -> Question:
    (found,) = [one for one in QUESTIONS if (one.board, one.place) == (board, place)]
    return found


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: f"{one.board}/{one.place}")
def test_every_query_returns_data(prometheus: Prometheus, question: Question, choice: str) -> None:
    assert numbers(ask(prometheus, question, choice)), question.expression


@pytest.mark.parametrize(
    ("board", "name"),
    [(board, name) for board, model in MODELS.items() for name in variables(model)],
)
def test_every_variable_offers_values(prometheus: Prometheus, board: str, name: str) -> None:
    variable = variables(MODELS[board])[name]
    if variable["type"] != "query":
        assert variable["query"]
        return
    query = filled(variable["query"]["query"], MODELS[board], CHOICES["all"])
    assert offered(prometheus, query, variable.get("regex"))


def offered(prometheus: Prometheus, query: str, regex: str | None) -> dict[str, str]:
    """Values by what is shown for them, as the data source of Grafana makes them."""
    if found := re.fullmatch(r"label_values\((.*), (\w+)\)", query):
        return {one: one for one in prometheus.label_values(found[2], found[1], START, END)}
    found = re.fullmatch(r"query_result\((.*)\)", query)
    assert found, query
    texts = [as_text(one) for one in prometheus.instant(found[1], END)]
    assert regex
    pattern = re.compile(regex.strip("/").replace("(?<", "(?P<"))
    matches = [pattern.search(text) for text in texts]
    return {one["text"]: one["value"] for one in matches if one}


def as_text(series: dict[str, Any]) -> str:
    labels = dict(series["metric"])
    name = labels.pop("__name__", "")
    inside = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
    return f"{name}{{{inside}}} {series['value'][1]} {series['value'][0] * 1000}"


def test_a_label_full_of_quotes_still_leads_to_its_own_narrative(prometheus: Prometheus) -> None:
    variable = variables(MODELS["narrative"])["narrative"]
    query = filled(variable["query"]["query"], MODELS["narrative"], CHOICES["chosen"])
    choices = offered(prometheus, query, variable["regex"])
    assert choices[LABEL] == CHOSEN
    assert "n666" not in choices.values()


def test_the_watch_that_is_chosen_is_the_one_that_is_shown(prometheus: Prometheus) -> None:
    series = ask(prometheus, by_place("watches", "Watches:surprise"), "chosen")
    assert [(one["metric"]["desk"], one["metric"]["watch"]) for one in series] == [(DESK, WATCH)]


def test_only_what_emerged_within_the_range_is_emerging(prometheus: Prometheus) -> None:
    question = by_place("narratives", "Emerging:emerged")
    series = ask(prometheus, question, "chosen")
    # Twelve narratives, half an hour apart; the first one emerged at the very beginning and is out.
    assert len(series) == 11
    emerged = sorted(float(one["value"][1]) for one in series)
    assert emerged[0] == (START + 1800) * 1000


def test_the_columns_of_a_table_have_labels_that_merge(prometheus: Prometheus) -> None:
    """The merge of Grafana joins rows by the labels that all columns have."""
    first = ask(prometheus, by_place("narratives", "Emerging:emerged"), "all")
    rows = {(one["metric"]["desk"], one["metric"]["narrative_id"]) for one in first}
    for ref in ("surprise", "hour", "expected", "mentions", "authors", "threads"):
        series = ask(prometheus, by_place("narratives", f"Emerging:{ref}"), "all")
        assert {tuple(one["metric"][label] for label in ("desk", "narrative_id")) for one in series} == rows
        assert {frozenset(one["metric"]) for one in series} == {frozenset({"desk", "narrative_id"})}


@pytest.mark.parametrize(
    ("board", "place", "value"),
    [
        ("narratives", "Living narratives:A", 12),
        ("narratives", "Emerged in this range:A", 11),
        ("narratives", "Campaigns:A", 3),
        ("pipeline", "Broken stream:A", 0),
        ("pipeline", "Workers that are ready:A", 1),
        ("pipeline", "Workers that are not:A", 0),
        ("pipeline", "Pages that are up to date:A", 1),
        ("pipeline", "Records behind:A", 3),
        ("pipeline", "Mentions kept:A", 40_000),
    ],
)
def test_figures_are_those_of_the_world(prometheus: Prometheus, board: str, place: str, value: float) -> None:
    (series,) = ask(prometheus, by_place(board, place), "chosen")
    assert float(series["values"][-1][1]) == value


def test_spiking_now_counts_bursts_and_nothing_between(prometheus: Prometheus) -> None:
    (series,) = ask(prometheus, by_place("narratives", "Spiking now:A"), "chosen")
    counts = numbers([series])
    assert 0 in counts
    assert 0 < max(counts) <= 12


def test_shares_of_voice_of_a_desk_add_up_to_one(prometheus: Prometheus) -> None:
    expression = filled(
        by_place("narrative", "Share of voice:A").expression, MODELS["narrative"], CHOICES["chosen"]
    )
    (share,) = numbers(prometheus.instant(expression, END))
    whole = expression.replace(f'narrative_id="{CHOSEN}"', 'desk="french-tech"')
    assert 0 < share < 1
    assert sum(numbers(prometheus.instant(whole, END))) == pytest.approx(1)


def test_the_top_is_the_same_all_along(prometheus: Prometheus) -> None:
    series = ask(prometheus, by_place("narratives", "Trend of the top narratives:A"), "all")
    assert len(series) == 10


def test_spiking_marks_are_one_and_only_while_it_spikes(prometheus: Prometheus) -> None:
    series = ask(prometheus, by_place("narrative", "annotation spiking"), "chosen")
    assert set(numbers(series)) == {1.0}
    assert 0 < len(numbers(series)) < (END - START) / STEP / 2
    assert {one["metric"]["narrative_id"] for one in series} == {CHOSEN}


def test_emerged_marks_are_at_the_time_of_emergence(prometheus: Prometheus) -> None:
    series = ask(prometheus, by_place("narrative", "annotation emerged"), "chosen")
    assert set(numbers(series)) == {(START + 1800) * 1000}
    assert series[0]["metric"]["label"] == LABEL


def test_silence_is_counted_from_the_last_comment(prometheus: Prometheus) -> None:
    series = ask(prometheus, by_place("pipeline", "Silence of sources:A"), "chosen")
    silent = {one["metric"]["source"]: float(one["value"][1]) for one in series}
    assert silent["quiet.example"] == END - START
    assert silent["hackernews"] == 0


def test_comments_are_told_apart_by_the_kind_of_their_source(prometheus: Prometheus) -> None:
    series = ask(prometheus, by_place("pipeline", "Comments by kind of source:A"), "chosen")
    rates = {one["metric"]["kind"]: numbers([one])[-1] for one in series}
    assert rates.keys() == {"hackernews", "wordpress", "feed"}
    assert rates["wordpress"] > 0
    assert rates["feed"] == 0


def test_a_source_that_is_closed_stands_out(prometheus: Prometheus) -> None:
    found = {}
    for place in ("Age of the newest comment:A", "Not read for:A"):
        series = ask(prometheus, by_place("pipeline", place), "chosen")
        found[place] = {one["metric"]["source"]: float(one["value"][1]) for one in series}
    assert [one[CLOSED] for one in found.values()] == [END - START + 3_600, END - START]
    assert [one[BUSY] for one in found.values()] == [60, 0]
    (robots,) = ask(prometheus, by_place("pipeline", "Refused by robots.txt:A"), "chosen")
    assert numbers([robots])[-1] == pytest.approx(30, rel=0.05)
    worst = ask(prometheus, by_place("pipeline", "Failures by source:A"), "chosen")
    assert {(one["metric"]["source"], one["metric"]["reason"]) for one in worst} == {
        (CLOSED, "robots"),
        (BUSY, "busy"),
    }


def test_a_page_that_is_behind_shows(prometheus: Prometheus) -> None:
    (behind,) = ask(prometheus, by_place("pipeline", "Records behind:A"), "chosen")
    (ready,) = ask(prometheus, by_place("pipeline", "Pages that are up to date:A"), "chosen")
    assert set(numbers([behind])) == {3, 12_000}
    assert set(numbers([ready])) == {0, 1}
    slow = ask(prometheus, by_place("pipeline", "Slowest addresses, p95:A"), "chosen")
    times = {one["metric"]["route"]: float(one["value"][1]) for one in slow}
    assert times["/narratives/{narrative_id}"] > times["/"] > times["_none"]
