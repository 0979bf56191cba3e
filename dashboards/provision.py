"""Everything that narrawatch has in Grafana, in the order in which it must be made."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dashboards.alert_rules import WatchLimits, alert_rules
from dashboards.board import Options
from dashboards.catalogue import all_models
from dashboards.connection import Grafana
from dashboards.provision_boards import BoardPlanner, gone_boards
from dashboards.provision_folder import FOLDER_UID, DatasourcePlanner, FolderPlanner
from dashboards.provision_rules import RulePlanner, gone_rules
from dashboards.steps import Planner, Step, carry_out

__all__ = ["Wanted", "push"]


class Wanted(NamedTuple):
    """What Grafana is to hold. prometheus_url: as Grafana's server reaches it; rules: alert from there."""

    options: Options = Options()
    prometheus_url: str = "http://127.0.0.1:9090"
    watches: Sequence[WatchLimits] = ()
    rules: bool = True


def push(
    grafana: Grafana, wanted: Wanted, *, overwrite: bool = False, dry_run: bool = False
) -> Iterator[Step]:
    """Bring Grafana to what is wanted; yields each step when it is done, or planned with dry_run.

    overwrite: also what of ours was edited in Grafana since. Where folder or data source are refused nothing
    else is tried: it stands on them. Raises GrafanaError.
    """
    ground = []
    for step in carry_out(_ground(grafana, wanted), dry_run=dry_run):
        ground.append(step.action)
        yield step
    if "refuse" in ground:
        return
    yield from carry_out(_boards(grafana, wanted, overwrite=overwrite), dry_run=dry_run)
    if wanted.rules:
        yield from carry_out(_rules(grafana, wanted, overwrite=overwrite), dry_run=dry_run)


def _ground(grafana: Grafana, wanted: Wanted) -> list[Planner]:
    return [
        FolderPlanner(grafana),
        DatasourcePlanner(grafana, wanted.prometheus_url, wanted.options.datasource_uid),
    ]


def _boards(grafana: Grafana, wanted: Wanted, *, overwrite: bool) -> list[Planner]:
    models = all_models(wanted.options).values()
    kept: list[Planner] = [BoardPlanner(grafana, model, overwrite=overwrite) for model in models]
    return kept + gone_boards(grafana, [model["uid"] for model in models])


def _rules(grafana: Grafana, wanted: Wanted, *, overwrite: bool) -> list[Planner]:
    rules = alert_rules(
        thresholds=wanted.options.thresholds,
        watches=wanted.watches,
        web_url=wanted.options.web_url,
        datasource_uid=wanted.options.datasource_uid,
        folder_uid=FOLDER_UID,
    )
    kept: list[Planner] = [RulePlanner(grafana, rule, overwrite=overwrite) for rule in rules]
    return kept + gone_rules(grafana, [rule["uid"] for rule in rules])
