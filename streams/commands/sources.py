"""`narrawatch sources`: which connectors there are, and which one fits a site."""

import asyncio
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import click

from streams.commands.options import common_options, echo_json, json_option, start
from streams.commands.visible import visible
from streams.errors import FailureReason, SettingsError, SourceError
from streams.ingest.markup import visible_text
from streams.ingest.registry import AnySource, kinds, load_kind
from streams.ingest.service import polite_options
from streams.ingest.source import Context, Probe, SourceComment
from streams.polite.client import Web
from streams.settings import Settings

__all__ = ["sources"]

# With these no other connector would get further.
_HOPELESS: Final = frozenset(
    {FailureReason.UNREACHABLE, FailureReason.TIMEOUT, FailureReason.FORBIDDEN_ADDRESS}
)
_TEXT_CHARACTERS = 300
_TITLE_CHARACTERS = 80
_LAST = "feed"  # most sites that have an API have a feed, too, which tells less


@click.group(epilog="\b\nExample:\n  narrawatch sources probe https://example.org")
def sources() -> None:
    """List the kinds of live sources, and find the one that fits a site."""


@sources.command(
    name="list", epilog="\b\nExamples:\n  narrawatch sources list\n  narrawatch sources list wordpress"
)
@click.argument("wanted", metavar="[KIND]", required=False)
@json_option
def list_sources(*, wanted: str | None, as_json: bool) -> None:
    """List the kinds of sources: what each guarantees, how often it asks, and what it cannot see.

    With KIND: its options, too.
    """
    names = kinds() if wanted is None else [wanted]
    connectors = []
    for name in names:
        try:
            connectors.append(load_kind(name))
        except SettingsError as error:
            if wanted is not None:
                raise
            click.echo(f"{error}", err=True)  # one of a third party: the others are there nevertheless
    if as_json:
        echo_json([_described(connector) for connector in connectors])
        return
    for connector in connectors:
        about = connector.about
        click.echo(f"{connector.kind}: {about.title}")
        for label, text in (
            ("guarantee", about.guarantee),
            ("rate", about.rate),
            ("cannot see", about.blind_spots),
            ("needs", about.needs),
        ):
            if text:
                click.echo(f"  {label}: {text}")
        if wanted is not None:
            for name, description in _options(connector).items():
                click.echo(f"  {name} = {description}")


@sources.command(epilog="\b\nExample:\n  narrawatch sources probe https://example.org")
@click.argument("url")
@json_option
@common_options
def probe(*, url: str, as_json: bool, **options: Any) -> None:
    """Find out which kind of source fits a site, and show three of its comments."""
    settings = start(options, quiet=True)
    if "://" not in url:
        url = f"https://{url}"
    found, troubles = asyncio.run(_probe(url, settings))
    if as_json:
        echo_json({"url": url, "fits": [_found_json(one) for one in found], "troubles": troubles})
    else:
        for number, one in enumerate(found):
            _print_found(one, best=number == 0)
        for trouble in troubles:
            click.echo(trouble, err=True)
        if not found:
            click.echo(f"no connector fits {visible(url, 200)}", err=True)
    click.get_current_context().exit(0 if found else 1)


class _Found(NamedTuple):
    connector: type[AnySource]
    probe: Probe


async def _probe(url: str, settings: Settings) -> tuple[list[_Found], list[str]]:
    """What fits, the best first, and what went wrong with others.

    Raises SourceError when the site cannot be asked.
    """
    found: list[_Found] = []
    troubles: list[str] = []
    async with Web(polite_options(settings)) as web:
        context = Context(web.client(), lambda: datetime.now(UTC), settings.ingest_allow_private)
        for kind in sorted(kinds(), key=lambda kind: (kind == _LAST, kind)):
            try:
                connector = load_kind(kind)
                probed = await connector.probe(url, context)
            except SourceError as error:
                if error.reason in _HOPELESS and not found:
                    raise
                troubles.append(f"{kind}: {error}")
            except SettingsError as error:
                troubles.append(str(error))
            else:
                if probed is not None:
                    found.append(_Found(connector, probed))
    return found, troubles


def _print_found(found: _Found, *, best: bool) -> None:
    kind, url = found.connector.kind, visible(found.probe.url, 500)
    click.echo(f"{kind} {'fits' if best else 'fits, too'}: {found.connector.about.title} at {url}")
    if not best:
        return
    for sample in found.probe.samples:
        click.echo(f"  {_when(sample)}  {visible(sample.thread_title, _TITLE_CHARACTERS)}")
        click.echo(f"    {visible(visible_text(sample.text), _TEXT_CHARACTERS)}")
    options = "".join(f" --set {shlex.quote(visible(one, 200))}" for one in found.probe.options)
    click.echo(f"Follow it with: narrawatch ingest {kind} {shlex.quote(url)}{options}")


def _when(sample: SourceComment) -> str:
    return "no date" if sample.created_at is None else f"{sample.created_at:%Y-%m-%d %H:%M}"


def _found_json(found: _Found) -> dict[str, object]:
    return {
        "kind": found.connector.kind,
        "url": found.probe.url,
        "title": found.probe.title,
        "samples": [_sample_json(sample) for sample in found.probe.samples],
    }


def _sample_json(sample: SourceComment) -> dict[str, object]:
    """Without the author: a name need not leave this process."""
    return {
        "id": sample.id,
        "text": visible_text(sample.text),
        "thread": sample.thread,
        "thread_title": sample.thread_title,
        "created_at": None if sample.created_at is None else sample.created_at.isoformat(),
        "permalink": sample.permalink,
    }


def _options(connector: type[AnySource]) -> dict[str, str]:
    return {name: field.description or "" for name, field in connector.options_type.model_fields.items()}


def _described(connector: type[AnySource]) -> dict[str, object]:
    described: Sequence[tuple[str, object]] = [("kind", connector.kind), *connector.about._asdict().items()]
    return dict(described) | {"options": _options(connector)}
