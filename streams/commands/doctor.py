"""`narrawatch doctor`: is all there that a worker needs? Looks, and changes nothing."""

import http.client
import importlib
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import click

from models.embedding import DEFAULT_MODEL
from models.errors import NarrawatchError
from models.packaged import is_intact, missing_packages, packaged_folder
from streams.commands.options import (
    common_options,
    echo_json,
    json_option,
    kafka_option,
    model_option,
    print_table,
    start,
)
from streams.commands.visible import visible
from streams.embedders import encoder_planned
from streams.settings import Settings

__all__ = ["Check", "doctor", "examine"]

_OLDEST_PYTHON = (3, 11)
_CONNECT_SECONDS = 2.0
_ANSWER_BYTES = 1_000_000  # of whoever listens there
_REASONS_CHARACTERS = 300


class Check(NamedTuple):
    """One thing that was looked at. detail: what was found, and how to mend it when it is not good."""

    name: str
    good: bool
    detail: str


@click.command(epilog="\b\nExample:\n  narrawatch doctor --kafka 127.0.0.1:9092")
@kafka_option
@model_option
@json_option
@common_options
def doctor(*, as_json: bool, **options: Any) -> None:
    """Check that all that is needed is there; exit code 1 if something is missing."""
    checks = list(examine(start(options, quiet=True)))
    if as_json:
        echo_json([check._asdict() for check in checks])
    else:
        rows = [(check.name, "ok" if check.good else "MISSING", check.detail) for check in checks]
        print_table("", ("check", "", "found"), rows)
    click.get_current_context().exit(0 if all(check.good for check in checks) else 1)


def examine(settings: Settings) -> Iterator[Check]:
    """Look at everything, one after the other."""
    looks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("Python", _python),
        ("packages", _packages),
        ("model", _model),
        ("encoder", encoder_planned),
        ("cache folder", lambda settings: _writable(settings.cache_dir)),
        ("data folder", lambda settings: _writable(settings.data_dir)),
        ("Kafka broker", _broker),
        ("metrics port", _metrics_port),
    )
    for name, look in looks:
        try:
            yield Check(name, True, look(settings))
        except NarrawatchError as error:
            yield Check(name, False, str(error))


class _NotGoodError(NarrawatchError):
    """What a look found wanting."""


def _python(_: Settings) -> str:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < _OLDEST_PYTHON:
        raise _NotGoodError(f"{found}; needed is {_OLDEST_PYTHON[0]}.{_OLDEST_PYTHON[1]} or later")
    return f"{found}, {sys.executable}"


def _packages(_: Settings) -> str:
    try:
        wanted = [text.split(";") for text in metadata.requires("narrawatch") or ()]
    except metadata.PackageNotFoundError:
        raise _NotGoodError("narrawatch is not installed: run make setup") from None
    names = [_distribution(text[0]) for text in wanted if len(text) == 1]  # others are of an extra
    missing = [name for name in names if not _is_installed(name)]
    if missing:
        raise _NotGoodError(f"not installed: {', '.join(missing)}; run make setup")
    return f"narrawatch {metadata.version('narrawatch')} and {len(names)} packages"


def _distribution(requirement: str) -> str:
    name = requirement
    for end in "<>=!~[ ":
        name = name.partition(end)[0]
    return name


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _model(settings: Settings) -> str:
    name = settings.model
    if Path(name).expanduser().is_dir():
        return f"the folder {name}; narrawatch models check loads it"
    if name not in (DEFAULT_MODEL, "packaged"):
        return f"{name}; narrawatch models check tells whether it can be had"
    folder = packaged_folder(settings.cache_dir)
    if folder.is_dir() and is_intact(folder):
        return f"{name}; packaged copy built in {folder}"
    missing = missing_packages()
    if missing:
        raise _NotGoodError(f"{name}; no packaged copy: pip install {' '.join(missing)}")
    return f"{name}; the packaged copy will be built when first needed (narrawatch models build)"


def _writable(folder: Path) -> str:
    """Ask the file system by looking for the nearest folder that exists: it is made when it is needed."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise _NotGoodError(f"{folder} cannot be written to")
    return str(folder)


def _broker(settings: Settings) -> str:
    hint = "start it, or narrawatch broker to try things out"
    if not any(_connects(address) for address in settings.kafka_bootstrap.split(",")):
        raise _NotGoodError(f"nothing answers on {settings.kafka_bootstrap}: {hint}")
    states = importlib.import_module("streams.topics").describe_topics(settings)
    missing = [state.name for state in states if state.partitions == 0]
    if missing:
        raise _NotGoodError(
            f"{settings.kafka_bootstrap} answers, but lacks the topics {', '.join(missing)}:"
            " narrawatch topics create"
        )
    return f"{settings.kafka_bootstrap} answers and has the {len(states)} topics"


def _connects(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError):
        return False
    return True


def _metrics_port(settings: Settings) -> str:
    host, port = settings.metrics_host, settings.metrics_port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        ready = _ask_worker(host, port)
        if ready is None:
            raise _NotGoodError(
                f"{host}:{port} cannot be used ({error.strerror}): set metrics_port to another"
            ) from None
        if ready["status"] != "pass":
            reasons = visible("; ".join(str(reason) for reason in ready["reasons"]), _REASONS_CHARACTERS)
            raise _NotGoodError(f"the worker on {host}:{port} is not ready: {reasons}") from None
        return f"{host}:{port} is a worker's, which is ready; another one needs another"
    return f"{host}:{port} is free" if port else f"{host}, any free port"


def _ask_worker(host: str, port: int) -> dict[str, Any] | None:
    """What a worker on this port says of itself; None when it is none."""
    client = http.client.HTTPConnection(host, port, timeout=_CONNECT_SECONDS)
    try:
        client.request("GET", "/ready")
        answer = json.loads(client.getresponse().read(_ANSWER_BYTES))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        client.close()
    is_ours = isinstance(answer, dict) and "status" in answer and isinstance(answer.get("reasons"), list)
    return answer if is_ours else None
