"""`narrawatch dashboards`: make them, bring them to Grafana, mark events in them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from dashboards.annotations import annotate as write_annotations
from dashboards.catalogue import stale, write
from dashboards.connection import Grafana, is_open_wire
from dashboards.errors import GrafanaError
from dashboards.provision import push as push_all
from dashboards.steps import Step
from streams.commands.moments import Moment
from streams.commands.options import (
    common_options,
    echo_json,
    json_option,
    kafka_option,
    print_table,
    start,
)
from streams.commands.visible import visible
from streams.errors import OutputError, ProvisionError
from streams.event_log import read_events
from streams.grafana_link import address_of, happenings, options_of, wanted_of
from streams.settings_fields import Settings

__all__ = ["dashboards"]

_REASON_CHARACTERS = 300

_out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("dashboards/generated"),
    show_default=True,
    metavar="DIR",
    help="The folder of the files.",
)
_grafana_option = click.option("--grafana", "grafana_url", metavar="URL", help="The address of Grafana.")
_dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


@click.group(
    epilog="\b\nExamples:\n  narrawatch dashboards push --grafana http://127.0.0.1:3000 --dry-run\n"
    "  narrawatch dashboards build --out dashboards"
)
def dashboards() -> None:
    """Make Grafana dashboards, and bring them to Grafana."""


@dashboards.command(epilog="\b\nExample:\n  narrawatch dashboards build --out dashboards")
@_out_option
@common_options
def build(*, out: Path, **options: Any) -> None:
    """Write the dashboards as JSON files, with the addresses and thresholds of the settings."""
    try:
        written = write(out, options_of(start(options, quiet=True)))
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}") from None
    for path in written:
        click.echo(str(path))
    if not written:
        click.echo(f"{out} is up to date")


@dashboards.command(epilog="\b\nExample:\n  narrawatch dashboards check --out dashboards")
@_out_option
@common_options
def check(*, out: Path, **options: Any) -> None:
    """Say whether the files are what build would write; exit code 1 if not."""
    old = stale(out, options_of(start(options, quiet=True)))
    if old:
        names = ", ".join(path.name for path in old)
        raise OutputError(f"not up to date in {out}: {names}; run narrawatch dashboards build --out {out}")
    click.echo(f"{out} is up to date")


@dashboards.command(
    epilog="\b\nExamples:\n  NARRAWATCH_GRAFANA_TOKEN=… narrawatch dashboards push --dry-run\n"
    "  narrawatch dashboards push --grafana https://grafana.example --no-rules"
)
@_grafana_option
@_dry_run_option
@click.option("--overwrite", is_flag=True, help="Also replace what was edited in Grafana since.")
@click.option("--rules/--no-rules", default=True, show_default=True, help="Alert rules, too.")
@json_option
@common_options
def push(*, dry_run: bool, overwrite: bool, rules: bool, as_json: bool, **options: Any) -> None:
    """Bring folder, data source, dashboards and alert rules to Grafana; what is there already stays.

    Only what narrawatch has made is ever changed or deleted; what was edited in Grafana since is left alone.
    The token is read from the setting grafana_token. Exit code 1 if something stood in the way.
    """
    settings = start(options, quiet=True)
    grafana = _grafana(settings)
    with _in_plain_words():
        steps = push_all(grafana, wanted_of(settings, rules=rules), overwrite=overwrite, dry_run=dry_run)
        _report(steps, as_json=as_json, dry_run=dry_run)


@dashboards.command(epilog="\b\nExample:\n  narrawatch dashboards annotate --since 1d")
@_grafana_option
@_dry_run_option
@click.option(
    "--since",
    type=Moment(),
    default="1d",
    show_default=True,
    metavar="WHEN",
    help="Events since this date (UTC unless it says otherwise), or 30m, 6h, 2d ago.",
)
@kafka_option
@json_option
@common_options
def annotate(*, dry_run: bool, since: datetime, as_json: bool, **options: Any) -> None:
    """Mark what emerged and spiked as annotations in Grafana, each once; run it as often as you like."""
    settings = start(options, quiet=True)
    grafana = _grafana(settings)
    with _in_plain_words():
        marked = happenings(read_events(settings, since))
        steps = write_annotations(grafana, marked, settings.web_url, dry_run=dry_run)
        _report(steps, as_json=as_json, dry_run=dry_run)


def _grafana(settings: Settings) -> Grafana:
    if is_open_wire(settings.grafana_url):
        click.echo(
            f"narrawatch: the token goes to {settings.grafana_url} unencrypted: use https where you can",
            err=True,
        )
    with _in_plain_words():
        return Grafana(address_of(settings))


@contextmanager
def _in_plain_words() -> Iterator[None]:
    try:
        yield
    except GrafanaError as error:
        raise ProvisionError(visible(str(error), 1_000)) from None


def _report(steps: Iterable[Step], *, as_json: bool, dry_run: bool) -> None:
    """Print the steps as they are done; raises ProvisionError if any was refused."""
    done: list[Step] = []
    try:
        done.extend(steps)
    finally:  # also what was done before an error
        if as_json:
            echo_json([_object(step) for step in done])
        else:
            _print(done, dry_run=dry_run)
    refused = [step for step in done if step.action == "refuse"]
    if refused:
        names = ", ".join(f"{step.kind} {step.name}" for step in refused)
        raise ProvisionError(f"{len(refused)} left as they are: {names}")


def _object(step: Step) -> dict[str, str]:
    return {"kind": step.kind, "name": step.name, "action": step.action, "reason": step.reason}


def _print(steps: Iterable[Step], *, dry_run: bool) -> None:
    rows = [(step.action, step.kind, step.name, visible(step.reason, _REASON_CHARACTERS)) for step in steps]
    if rows:
        print_table("", ("would" if dry_run else "done", "what", "uid", "because it"), rows)
    changed = sum(row[0] in {"create", "update", "delete"} for row in rows)
    click.echo(f"{changed} {'to change' if dry_run else 'changed'}, {len(rows) - changed} left as they are")
