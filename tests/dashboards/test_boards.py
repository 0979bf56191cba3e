"""The dashboards as files: fresh, complete, without overlaps, of nothing but declared metrics and labels."""

import copy
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import promql
from dashboards.board import Options, new_board
from dashboards.catalogue import BOARDS, GENERATED, all_models, render, write
from dashboards.layout import Line, Row, place
from dashboards.look import Query, lines_panel
from dashboards.steps import covers
from dashboards.thresholds import Thresholds
from streams.metric_specs import ALL_METRICS, COMMENTS, EMBED, QUEUE
from tests.dashboards.interpolation import Question, questions, variables

MODELS = all_models()
QUESTIONS = [question for name, model in MODELS.items() for question in questions(name, model)]
PANELS = [(name, panel) for name, model in MODELS.items() for panel in model["panels"]]
SHOWING = [(name, panel) for name, panel in PANELS if panel["type"] != "row"]
SERIES = {
    spec.name + suffix: spec
    for spec in ALL_METRICS
    for suffix in (("_bucket", "_sum", "_count") if spec.kind == "histogram" else ("",))
}
SCRAPED = {"instance", "job", "le"}


def title(pair: tuple[str, dict[str, Any]]) -> str:
    return f"{pair[0]}/{pair[1]['title']}"


@pytest.mark.parametrize("name", BOARDS)
def test_the_generated_file_is_fresh(name: str) -> None:
    kept = (GENERATED / f"{name}.json").read_text(encoding="utf-8")
    assert kept == render(name), "run: narrawatch dashboards build"


@pytest.mark.parametrize("name", BOARDS)
def test_grafanas_own_types_understand_every_field(name: str) -> None:
    register_default_plugins()
    read = Dashboard.from_json(MODELS[name])
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    ours = copy.deepcopy(MODELS[name])
    for mark in ours["annotations"]["list"]:
        # Read by the data source; the types know nothing of what data sources add.
        for added in ("step", "tagKeys", "textFormat", "titleFormat", "useValueForTime"):
            mark.pop(added, None)
    assert covers(again, ours)


def test_there_is_no_generated_file_too_many() -> None:
    assert {path.stem for path in GENERATED.glob("*.json")} == set(BOARDS)


def test_the_same_options_give_the_same_text() -> None:
    assert all(render(name) == render(name) for name in BOARDS)


def test_uids_are_what_grafana_takes_and_ours() -> None:
    uids = [model["uid"] for model in MODELS.values()]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"narrawatch-[a-z-]{1,29}", uid) for uid in uids)
    assert all(model["tags"] == ["narrawatch"] for model in MODELS.values())
    # Ids are Grafana's to give: one of ours would name a dashboard of somebody else.
    assert all(model.get("id") is None for model in MODELS.values())


@pytest.mark.parametrize("name", BOARDS)
def test_ids_of_panels_are_unique(name: str) -> None:
    ids = [panel["id"] for panel in MODELS[name]["panels"]]
    assert len(set(ids)) == len(ids)
    assert min(ids) >= 100


# Links and alerts lead to panels by their ids: a change of one of these breaks them.
@pytest.mark.parametrize(
    ("name", "shown", "panel_id"),
    [
        ("narratives", "Emerging", 201),
        ("narratives", "Surprise over time", 601),
        ("narrative", "Surprise", 301),
        ("watches", "Surprise over time", 201),
        ("pipeline", "Dead letters by reason", 401),
    ],
)
def test_ids_of_panels_stay(name: str, shown: str, panel_id: int) -> None:
    assert panel_id in [panel["id"] for panel in MODELS[name]["panels"] if panel["title"] == shown]


@pytest.mark.parametrize("name", BOARDS)
def test_no_two_panels_overlap_and_none_leaves_the_grid(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in MODELS[name]["panels"]:
        at = panel["gridPos"]
        assert at["x"] >= 0
        assert at["x"] + at["w"] <= 24
        for cell in (
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        ):
            assert cell not in taken, (panel["title"], taken[cell])
            taken[cell] = panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_rows_have_no_gaps(name: str) -> None:
    tops = sorted({panel["gridPos"]["y"] for panel in MODELS[name]["panels"]})
    bottoms = {panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in MODELS[name]["panels"]}
    assert all(below in bottoms for _, below in pairwise(tops))


@pytest.mark.parametrize("pair", SHOWING, ids=title)
def test_every_panel_says_what_it_tells_and_what_to_do(pair: tuple[str, dict[str, Any]]) -> None:
    tells, _, act = pair[1]["description"].partition("\n\n**What to do:** ")
    assert len(tells) > 20
    assert len(act) > 20
    assert tells.endswith(".")
    assert act.endswith(".")


@pytest.mark.parametrize("pair", SHOWING, ids=title)
def test_every_panel_has_a_unit_and_a_data_source(pair: tuple[str, dict[str, Any]]) -> None:
    panel = pair[1]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["targets"]
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: f"{one.board}/{one.place}")
def test_queries_name_declared_metrics_and_labels(question: Question) -> None:
    names = set(re.findall(r"\bnarrawatch_\w+", question.expression))
    assert names
    assert names <= set(SERIES)
    for name, inside in re.findall(r"\b(narrawatch_\w+)\{([^}]*)\}", question.expression):
        assert set(re.findall(r"(\w+)=", inside)) <= set(SERIES[name].labels) | SCRAPED, name
    known = {label for name in names for label in SERIES[name].labels} | SCRAPED
    grouped = re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", question.expression)
    assert {label for group in grouped for label in re.findall(r"\w+", group)} <= known


@pytest.mark.parametrize("pair", SHOWING, ids=title)
def test_legends_name_labels_that_the_query_leaves(pair: tuple[str, dict[str, Any]]) -> None:
    for target in pair[1]["targets"]:
        for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")):
            assert re.search(rf"(by|group_left) \([^)]*\b{label}\b", target["expr"]), (label, target["expr"])


@pytest.mark.parametrize("name", BOARDS)
def test_variables_that_are_used_are_there(name: str) -> None:
    text = json.dumps(MODELS[name])
    used = set(re.findall(r"\$\{?([a-z]\w*)", text))
    assert used - {"datasource"} <= set(variables(MODELS[name]))
    assert "datasource" in variables(MODELS[name])


def test_links_lead_to_dashboards_that_exist() -> None:
    uids = {model["uid"] for model in MODELS.values()}
    led = {uid for model in MODELS.values() for uid in re.findall(r"/d/([\w-]+)", json.dumps(model))}
    assert led <= uids
    assert len(led) >= 3


def test_the_address_of_the_web_page_and_the_thresholds_are_options() -> None:
    options = Options("https://watch.example", Thresholds(surprise_decades=7.5, lag_records=77_000))
    models = all_models(options)
    assert variables(models["narratives"])["web_url"]["query"] == "https://watch.example"
    assert ">= 7.5" in json.dumps(models["narratives"])
    assert "77000" in json.dumps(models["pipeline"])
    assert models["narratives"]["uid"] == MODELS["narratives"]["uid"]


def test_write_touches_only_what_differs(tmp_path: Path) -> None:
    assert {path.stem for path in write(tmp_path)} == set(BOARDS)
    assert write(tmp_path) == []
    (tmp_path / "watches.json").write_text("{}", encoding="utf-8")
    assert [path.stem for path in write(tmp_path)] == ["watches"]


def test_a_label_or_a_kind_that_is_not_declared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"narrawatch_queue_claims has no label desk"):
        promql.select(QUEUE, desk=promql.among("desk"))
    with pytest.raises(ValueError, match=r"narrawatch_queue_claims is a gauge"):
        promql.rate(QUEUE)
    with pytest.raises(ValueError, match=r"narrawatch_comments_total is a counter, not a histogram"):
        promql.quantile(0.5, COMMENTS)
    with pytest.raises(ValueError, match=r"narrawatch_embed_seconds has no label desk"):
        promql.quantile(0.5, EMBED, by="desk")
    assert "narrawatch_embed_seconds_bucket" in promql.quantile(0.5, EMBED)


def test_a_line_that_is_too_wide_is_refused() -> None:
    panel = lines_panel("a", "b", [Query("up")])
    board = new_board("narrawatch-x", "X", "x", hours=1)
    with pytest.raises(ValueError, match="25 columns do not fit"):
        place(board, [Row(1, "r", [Line(4, [panel, panel], [12, 13])])])


def test_the_only_column_of_a_table_is_called_otherwise() -> None:
    (versions,) = [panel for panel in MODELS["pipeline"]["panels"] if panel["title"] == "Versions"]
    assert len(versions["targets"]) == 1
    assert [one["matcher"]["options"] for one in versions["fieldConfig"]["overrides"]] == ["Value", "version"]


def test_columns_of_tables_are_named_after_their_query() -> None:
    (table,) = [panel for panel in MODELS["watches"]["panels"] if panel["type"] == "table"]
    shown = {
        one["matcher"]["options"]: {field["id"]: field.get("value") for field in one["properties"]}
        for one in table["fieldConfig"]["overrides"]
    }
    refs = {target["refId"] for target in table["targets"]}
    assert {f"Value #{ref}" for ref in refs} <= set(shown)
    assert shown["Value #surprise"]["displayName"] == "Surprise"
    assert shown["watch"]["links"][0]["url"].startswith("${web_url:raw}/watches/")
