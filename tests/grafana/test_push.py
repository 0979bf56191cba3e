"""A push: what it makes, that it makes it once, and what it leaves alone."""

import copy
from typing import Any

import pytest

from dashboards.alert_rules import WatchLimits
from dashboards.board import Options
from dashboards.catalogue import all_models
from dashboards.connection import Address, Grafana
from dashboards.errors import GrafanaError, NotFoundError
from dashboards.provision import Wanted, push
from dashboards.steps import Step, covers
from dashboards.thresholds import Thresholds
from streams.settings_fields import Settings
from tests.grafana.fake import EDITOR, FakeGrafana, Request, Trouble

UIDS = {f"narrawatch-{name}" for name in ("narratives", "narrative", "watches", "pipeline")}
RACHAT = WatchLimits("rachat", "french-tech", matches_per_hour=3, surprise_decades=2.5)
WANTED = Wanted(watches=[RACHAT, WatchLimits("plain")])


def pushed(grafana: Grafana, wanted: Wanted = WANTED, **options: bool) -> dict[str, Step]:
    return {f"{step.kind} {step.name}": step for step in push(grafana, wanted, **options)}


def actions(steps: dict[str, Step]) -> set[str]:
    return {step.action for step in steps.values()}


def changed(steps: dict[str, Step]) -> dict[str, str]:
    return {name: step.action for name, step in steps.items() if step.action not in {"leave"}}


def test_a_fresh_grafana_gets_everything(grafana: Grafana, fake: FakeGrafana) -> None:
    steps = pushed(grafana)
    assert actions(steps) == {"create"}
    assert set(fake.boards.folders) == {"narrawatch"}
    assert set(fake.boards.dashboards) == UIDS
    assert set(fake.boards.folder_of.values()) == {"narrawatch"}
    assert fake.datasources.kept["narrawatch-prometheus"]["url"] == "http://127.0.0.1:9090"
    assert {one["title"] for one in fake.rules.rules.values()} >= {"NarrativeEmerged", "NarrativeSpiking"}
    assert all(one["folderUID"] == "narrawatch" for one in fake.rules.rules.values())
    assert all(one["provenance"] == "api" for one in fake.rules.rules.values())


def test_what_was_sent_is_what_is_there(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    for model in all_models().values():
        stored = fake.boards.dashboards[model["uid"]]
        assert covers(stored, model)
        assert stored["version"] == 1


def test_a_second_push_writes_nothing(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    before = copy.deepcopy((fake.boards.dashboards, fake.rules.rules, fake.datasources.kept))
    fake.forget_requests()
    assert actions(pushed(grafana)) == {"leave"}
    assert fake.requests
    assert fake.writes == []
    assert (fake.boards.dashboards, fake.rules.rules, fake.datasources.kept) == before


def test_nor_where_grafana_gives_dashboards_back_in_a_newer_schema(
    grafana: Grafana, fake: FakeGrafana
) -> None:
    pushed(grafana)
    fake.boards.migrates = True
    fake.forget_requests()
    assert actions(pushed(grafana)) == {"leave"}
    assert fake.writes == []


def test_nor_where_it_tells_its_history_as_a_list(grafana: Grafana, fake: FakeGrafana) -> None:
    fake.versions_as_object, fake.boards.migrates = False, True
    pushed(grafana)
    assert actions(pushed(grafana)) == {"leave"}


def test_a_dry_run_says_all_and_does_nothing(grafana: Grafana, fake: FakeGrafana) -> None:
    steps = pushed(grafana, dry_run=True)
    assert len(steps) > 10
    assert actions(steps) == {"create"}
    assert fake.writes == []


def test_other_options_update_what_they_change_and_nothing_else(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    fake.forget_requests()
    limits = Thresholds(lag_records=77)
    steps = pushed(grafana, WANTED._replace(options=Options(thresholds=limits)))
    assert changed(steps) == {
        "dashboard narrawatch-pipeline": "update",
        "alert rule narrawatch-lag": "update",
        "alert rule narrawatch-page": "update",
    }
    assert len(fake.writes) == 3
    assert fake.boards.dashboards["narrawatch-pipeline"]["version"] == 2
    lag = fake.rules.rules["narrawatch-lag"]
    assert lag["data"][1]["model"]["conditions"][0]["evaluator"] == {"type": "gt", "params": [77]}


def test_no_rules_leaves_alerting_alone(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana, WANTED._replace(rules=False))
    assert fake.rules.rules == {}
    assert not [path for _, path in fake.writes if "provisioning" in path]


def test_policies_and_contact_points_are_never_touched(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    assert not [one for one in fake.requests if "policies" in one.path or "contact" in one.path]


# Dashboards


def edited_by_hand(fake: FakeGrafana, uid: str = "narrawatch-watches") -> dict[str, Any]:
    """Somebody opens it, changes the title and saves."""
    stored = copy.deepcopy(fake.boards.dashboards[uid])
    stored["title"] = "Ours now"
    fake.boards.save({"dashboard": stored, "folderUid": fake.boards.folder_of[uid], "message": ""})
    return fake.boards.dashboards[uid]


def test_what_was_edited_by_hand_is_left_and_said(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    edited_by_hand(fake)
    fake.forget_requests()
    step = pushed(grafana)["dashboard narrawatch-watches"]
    assert step.action == "refuse"
    assert "edited in Grafana since (version 2)" in step.reason
    assert "--overwrite" in step.reason
    assert fake.writes == []


def test_overwrite_replaces_it_once(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    edited_by_hand(fake)
    assert changed(pushed(grafana, overwrite=True)) == {"dashboard narrawatch-watches": "update"}
    assert fake.boards.dashboards["narrawatch-watches"]["title"] == "Watches"
    assert actions(pushed(grafana, overwrite=True)) == {"leave"}


def test_an_edit_that_was_undone_by_hand_is_none(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    title = fake.boards.dashboards["narrawatch-watches"]["title"]
    stored = edited_by_hand(fake)
    fake.boards.save({"dashboard": {**stored, "title": title}, "folderUid": "narrawatch"})
    assert actions(pushed(grafana)) == {"leave"}


def test_a_dashboard_that_was_moved_stays_where_it_is(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    fake.boards.create_folder({"uid": "newsroom", "title": "Newsroom"})
    fake.boards.folder_of["narrawatch-pipeline"] = "newsroom"
    fake.boards.folder_of["narrawatch-watches"] = ""  # the root
    pushed(grafana, WANTED._replace(options=Options(web_url="https://watch.example")))
    pushed(grafana, WANTED._replace(options=Options(thresholds=Thresholds(lag_records=5))))
    assert fake.boards.dashboards["narrawatch-pipeline"]["version"] > 1
    assert fake.boards.dashboards["narrawatch-watches"]["version"] > 1
    assert fake.boards.folder_of["narrawatch-pipeline"] == "newsroom"
    assert fake.boards.folder_of["narrawatch-watches"] == ""


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_dashboard_with_our_uid_is_never_replaced(
    grafana: Grafana, fake: FakeGrafana, overwrite: bool
) -> None:
    fake.boards.save({"dashboard": {"uid": "narrawatch-pipeline", "title": "Oil", "tags": []}})
    steps = pushed(grafana, overwrite=overwrite)
    assert steps["dashboard narrawatch-pipeline"].action == "refuse"
    assert "lacks the tag" in steps["dashboard narrawatch-pipeline"].reason
    assert fake.boards.dashboards["narrawatch-pipeline"]["title"] == "Oil"
    # The others are made all the same.
    assert set(fake.boards.dashboards) == UIDS


def test_a_dashboard_from_files_is_left(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    fake.boards.provisioned.add("narrawatch-pipeline")
    wanted = WANTED._replace(options=Options(thresholds=Thresholds(lag_records=5)))
    assert pushed(grafana, wanted)["dashboard narrawatch-pipeline"] == Step(
        "dashboard", "narrawatch-pipeline", "leave", "is provisioned from files"
    )


def test_a_name_that_is_taken_stops_one_dashboard_and_no_other(grafana: Grafana, fake: FakeGrafana) -> None:
    fake.boards.create_folder({"uid": "narrawatch", "title": "narrawatch"})
    fake.boards.save({"dashboard": {"uid": "x", "title": "Pipeline"}, "folderUid": "narrawatch"})
    steps = pushed(grafana)
    assert changed(steps)["dashboard narrawatch-pipeline"] == "refuse"
    assert "its name or uid is taken" in steps["dashboard narrawatch-pipeline"].reason
    assert changed(steps)["dashboard narrawatch-watches"] == "create"


def test_a_dashboard_of_a_plugin_is_not_replaced(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    fake.boards.of_plugins.add("narrawatch-pipeline")
    wanted = WANTED._replace(options=Options(thresholds=Thresholds(lag_records=5)))
    step = pushed(grafana, wanted)["dashboard narrawatch-pipeline"]
    assert (step.action, "belongs to a plugin" in step.reason) == ("refuse", True)


def test_a_save_between_look_and_write_is_not_lost(grafana: Grafana, fake: FakeGrafana) -> None:
    """Somebody saves after the push has looked and before it writes: Grafana answers 412."""
    pushed(grafana)

    def someone_saves(request: Request) -> bool:
        if request.method == "POST" and request.path == "/api/dashboards/db":
            edited_by_hand(fake, "narrawatch-pipeline")
        return False

    fake.trouble.append(Trouble(someone_saves))
    wanted = WANTED._replace(options=Options(thresholds=Thresholds(lag_records=5)), rules=False)
    step = pushed(grafana, wanted)["dashboard narrawatch-pipeline"]
    assert step.action == "refuse"
    assert "changed meanwhile: run the command again" in step.reason
    assert fake.boards.dashboards["narrawatch-pipeline"]["title"] == "Ours now"


def test_dashboards_of_ours_that_are_gone_go_and_no_other(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    for uid, tags, folder in (
        ("narrawatch-old", ["narrawatch"], "narrawatch"),
        ("narrawatch-mine", [], "narrawatch"),  # not our tag
        ("narrawatch-kept", ["narrawatch"], ""),  # not in our folder
        ("copy-of-ours", ["narrawatch"], "narrawatch"),  # saved under another name: a new uid
    ):
        fake.boards.save({"dashboard": {"uid": uid, "title": uid, "tags": tags}, "folderUid": folder})
    assert changed(pushed(grafana)) == {"dashboard narrawatch-old": "delete"}
    assert set(fake.boards.dashboards) == UIDS | {"narrawatch-mine", "narrawatch-kept", "copy-of-ours"}


def test_the_search_goes_on_to_the_last_page(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    for n in range(230):
        model = {"uid": f"other-{n:03}", "title": f"Copy {n}", "tags": ["narrawatch"]}
        fake.boards.save({"dashboard": model, "folderUid": "narrawatch"})
    for uid in ("narrawatch-zz", "zz-last"):
        model = {"uid": uid, "title": uid, "tags": ["narrawatch"]}
        fake.boards.save({"dashboard": model, "folderUid": "narrawatch"})
    fake.forget_requests()
    assert changed(pushed(grafana)) == {"dashboard narrawatch-zz": "delete"}
    assert len([one for one in fake.requests if one.path.startswith("/api/search")]) == 3


# Folder and data source


def test_a_folder_that_was_renamed_keeps_its_name(grafana: Grafana, fake: FakeGrafana) -> None:
    fake.boards.create_folder({"uid": "narrawatch", "title": "Veille"})
    pushed(grafana)
    assert fake.boards.folders["narrawatch"]["title"] == "Veille"


def test_a_folder_of_that_name_with_another_uid_is_said(grafana: Grafana, fake: FakeGrafana) -> None:
    fake.boards.create_folder({"uid": "theirs", "title": "narrawatch"})
    steps = pushed(grafana, WANTED, dry_run=True)
    assert steps["folder narrawatch"].action == "create"
    steps = pushed(grafana)
    assert steps["folder narrawatch"].action == "refuse"
    assert "a folder with the same name already exists" in steps["folder narrawatch"].reason
    # Nothing stands on what is not there.
    assert {step.kind for step in steps.values()} == {"folder", "data source"}
    assert fake.boards.dashboards == {}


def test_a_data_source_follows_its_address_and_keeps_the_rest(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    stored = fake.datasources.kept["narrawatch-prometheus"]
    stored |= {"name": "Metrics", "basicAuth": True, "basicAuthUser": "reader", "isDefault": True}
    stored["jsonData"]["exemplars"] = "on"
    steps = pushed(grafana, WANTED._replace(prometheus_url="http://prometheus:9090"))
    assert changed(steps) == {"data source narrawatch-prometheus": "update"}
    now = fake.datasources.kept["narrawatch-prometheus"]
    assert now["url"] == "http://prometheus:9090"
    assert (now["name"], now["basicAuth"], now["basicAuthUser"]) == ("Metrics", True, "reader")
    assert now["isDefault"]
    assert now["jsonData"]["exemplars"] == "on"


def test_a_data_source_from_files_is_left(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    fake.datasources.kept["narrawatch-prometheus"]["readOnly"] = True
    steps = pushed(grafana, WANTED._replace(prometheus_url="http://prometheus:9090"))
    assert changed(steps) == {}
    assert steps["data source narrawatch-prometheus"].reason == "is provisioned from files"


def test_a_data_source_of_another_type_is_never_replaced(grafana: Grafana, fake: FakeGrafana) -> None:
    fake.datasources.create(
        {"uid": "narrawatch-prometheus", "name": "logs", "type": "loki", "access": "proxy", "url": "http://l"}
    )
    step = pushed(grafana)["data source narrawatch-prometheus"]
    assert (step.action, step.reason) == ("refuse", "is of type loki: give that one another uid")


def test_a_name_of_a_data_source_that_is_taken_is_said(grafana: Grafana, fake: FakeGrafana) -> None:
    fake.datasources.create(
        {"uid": "theirs", "name": "narrawatch", "type": "loki", "access": "proxy", "url": "http://l"}
    )
    step = pushed(grafana, WANTED._replace(rules=False))["data source narrawatch-prometheus"]
    assert step.action == "refuse"
    assert "data source with the same name already exists" in step.reason


def test_another_data_source_is_used_and_never_touched(grafana: Grafana, fake: FakeGrafana) -> None:
    theirs = {"uid": "prom-1", "name": "P", "type": "prometheus", "access": "proxy", "url": "http://p"}
    fake.datasources.create(theirs)
    before = copy.deepcopy(fake.datasources.kept)
    pushed(grafana, WANTED._replace(options=Options(datasource_uid="prom-1"), prometheus_url="http://other"))
    assert fake.datasources.kept == before
    rule = fake.rules.rules["narrawatch-lag"]
    assert rule["data"][0]["datasourceUid"] == "prom-1"
    for board in fake.boards.dashboards.values():
        (chosen,) = [one for one in board["templating"]["list"] if one["name"] == "datasource"]
        assert chosen["current"]["value"] == "prom-1"


def test_another_data_source_must_be_there(grafana: Grafana) -> None:
    with pytest.raises(NotFoundError, match=r"no data source with the uid nowhere"):
        pushed(grafana, WANTED._replace(options=Options(datasource_uid="nowhere")))


def test_an_editor_may_push_where_the_data_source_is_there(grafana: Grafana, fake: FakeGrafana) -> None:
    editor = Grafana(Address(fake.url, EDITOR), sleep=lambda _: None)
    with pytest.raises(GrafanaError, match=r"may not create the data source .* Admin for data sources"):
        pushed(editor)
    pushed(grafana)
    fake.boards.delete("narrawatch-watches")
    assert changed(pushed(editor)) == {"dashboard narrawatch-watches": "create"}


# Alert rules


def test_a_watch_that_is_gone_takes_its_rules_along(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    steps = pushed(grafana, WANTED._replace(watches=[]))
    gone = {name for name, action in changed(steps).items() if action == "delete"}
    assert len(gone) == 2
    # The rule of all others does not leave it out any more.
    assert changed(steps)["alert rule narrawatch-watch"] == "update"
    assert ("DELETE", f"/api/v1/provisioning/alert-rules/{gone.pop().split()[-1]}") in fake.writes
    assert actions(pushed(grafana, WANTED._replace(watches=[]))) == {"leave"}


def test_foreign_rules_stay_whatever_they_are_called(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    ours = fake.rules.rules["narrawatch-lag"]
    foreign = {
        "narrawatch-theirs": {**ours, "uid": "narrawatch-theirs", "title": "A", "labels": {}},
        "theirs": {**ours, "uid": "theirs", "title": "B"},
        "narrawatch-ui": {**ours, "uid": "narrawatch-ui", "title": "C", "provenance": ""},
    }
    fake.rules.rules |= copy.deepcopy(foreign)
    assert changed(pushed(grafana)) == {}
    assert all(fake.rules.rules[uid] == rule for uid, rule in foreign.items())


def test_a_foreign_rule_with_our_uid_is_never_replaced(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    fake.rules.rules["narrawatch-lag"] |= {"labels": {"team": "oil"}, "title": "Oil"}
    assert changed(pushed(grafana, overwrite=True)) == {"alert rule narrawatch-lag": "refuse"}
    assert fake.rules.rules["narrawatch-lag"]["title"] == "Oil"


def test_a_rule_that_was_made_editable_is_left_unless_told(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    fake.rules.rules["narrawatch-lag"] |= {"provenance": "", "for": "1h"}
    assert changed(pushed(grafana)) == {"alert rule narrawatch-lag": "refuse"}
    assert changed(pushed(grafana, overwrite=True)) == {"alert rule narrawatch-lag": "update"}
    assert fake.rules.rules["narrawatch-lag"]["for"] == "10m"


def test_a_rule_from_files_is_left(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    fake.rules.rules["narrawatch-lag"] |= {"provenance": "file", "for": "1h"}
    assert changed(pushed(grafana, overwrite=True)) == {}


def test_a_rule_that_was_moved_stays_in_its_folder(grafana: Grafana, fake: FakeGrafana) -> None:
    pushed(grafana)
    fake.boards.create_folder({"uid": "newsroom", "title": "Newsroom"})
    fake.rules.rules["narrawatch-lag"]["folderUID"] = "newsroom"
    pushed(grafana, WANTED._replace(options=Options(thresholds=Thresholds(lag_records=5))))
    rule = fake.rules.rules["narrawatch-lag"]
    assert rule["folderUID"] == "newsroom"
    assert rule["data"][1]["model"]["conditions"][0]["evaluator"]["params"] == [5]


@pytest.mark.parametrize("seconds", [0, 1, 59, 60, 90, 3_600, 5_400, 86_400, 90_000])
def test_however_long_a_rule_waits_a_second_push_changes_nothing(grafana: Grafana, seconds: int) -> None:
    wanted = WANTED._replace(options=Options(thresholds=Thresholds(for_seconds=seconds)))
    pushed(grafana, wanted)
    assert actions(pushed(grafana, wanted)) == {"leave"}


def test_thresholds_of_dashboards_and_rules_are_those_of_the_settings() -> None:
    settings = Settings()
    assert Thresholds() == Thresholds(
        surprise_decades=settings.alert_surprise_decades,
        min_mentions=settings.alert_min_mentions,
        emerged_seconds=settings.alert_emerged_seconds,
        lag_records=settings.alert_lag_records,
        dead_letters=settings.alert_dead_letters,
        embed_seconds=settings.alert_embed_seconds,
        delay_seconds=settings.alert_delay_seconds,
        source_silent_seconds=settings.alert_source_silent_seconds,
        for_seconds=settings.alert_for_seconds,
    )
    assert Options().web_url == settings.web_url
    assert Options().datasource_uid == settings.grafana_datasource_uid
    assert Wanted().prometheus_url == settings.grafana_prometheus_url
