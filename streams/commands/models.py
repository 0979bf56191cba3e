"""`narrawatch models`: which embedding models there are, and whether they work."""

import json
import time
from pathlib import Path
from typing import Any

import click

from models.embedding import DEFAULT_MODEL, encoder_of
from models.packaged import build_packaged_model, is_intact, packaged_folder
from streams.commands.options import (
    common_options,
    echo_json,
    json_option,
    model_option,
    print_table,
    start,
)
from streams.embedders import embedder_of, encoder_planned
from streams.settings import Settings

__all__ = ["models"]

_SAMPLES = (
    "On nous vend cela comme un partenariat, mais c'est un rachat.",
    "They call it a partnership, but it is a takeover.",
)


@click.group(epilog="\b\nExample:\n  narrawatch models check --model packaged")
def models() -> None:
    """List, build and check embedding models."""


@models.command(name="list", epilog="\b\nExample:\n  narrawatch models list")
@json_option
@common_options
def list_models(*, as_json: bool, **options: Any) -> None:
    """List what --model takes, and which is set."""
    settings = start(options, quiet=True)
    folder = packaged_folder(settings.cache_dir)
    known = [
        (DEFAULT_MODEL, "the default: from the model hub, else the packaged copy"),
        ("packaged", f"the copy that needs no download: {_state(folder)}"),
        ("hash", "no model: hashed words, for tests of everything around it"),
        ("NAME or FOLDER", "any other sentence-transformers model"),
    ]
    if as_json:
        built = {"folder": str(folder), "built": folder.is_dir()}
        echo_json(
            {
                "model": settings.model,
                "default": DEFAULT_MODEL,
                "encoder": encoder_planned(settings),
                "packaged": built,
            }
        )
    else:
        print_table("", ("--model", "what it is"), known)
        click.echo(f"\nset now: {settings.model}; narrawatch models check tells whether it works")
        click.echo(f"encoder: {encoder_planned(settings)}")


@models.command(epilog="\b\nExample:\n  narrawatch models build")
@json_option
@common_options
def build(*, as_json: bool, **options: Any) -> None:
    """Build the packaged model in the cache folder, and the encoder that runs it, where they are not there
    whole.

    Takes a minute and 720 MB. The model is checked against reference vectors, the encoder against the model;
    both are kept with checksums.
    """
    settings = start(options, quiet=as_json).model_copy(update={"model": "packaged"})
    folder = build_packaged_model(settings.cache_dir)
    encoder = encoder_of(embedder_of(settings))
    if as_json:
        echo_json({"folder": str(folder), "sha256": _weights_checksum(folder), "encoder": encoder})
    else:
        click.echo(f"{folder}\nsha256 of the weights {_weights_checksum(folder)}\nencoder {encoder}")


@models.command(epilog="\b\nExample:\n  narrawatch models check --model packaged --json")
@model_option
@json_option
@common_options
def check(*, as_json: bool, **options: Any) -> None:
    """Load the model as a worker would, embed two sentences, and say which model it was."""
    settings = start(options, quiet=True)
    report = _try(settings)
    if as_json:
        echo_json(report)
        return
    click.echo(
        f"works: {report['name']}, {report['dimensions']} dimensions\n"
        f"encoder: {report['encoder']}\n"
        f"loaded in {report['load_seconds']} s; a French and an English sentence that say the same have"
        f" cosine {report['cosine']}"
    )


def _try(settings: Settings) -> dict[str, Any]:
    before = time.perf_counter()
    embedder = embedder_of(settings)
    loaded = time.perf_counter()
    first, second = embedder.embed(_SAMPLES)
    return {
        "asked": settings.model,
        "name": embedder.name,
        "encoder": encoder_of(embedder),
        "dimensions": embedder.dimensions,
        "load_seconds": round(loaded - before, 2),
        "cosine": round(float(first @ second), 4),
    }


def _state(folder: Path) -> str:
    if not folder.is_dir():
        return "not built yet (narrawatch models build)"
    return f"built in {folder}" if is_intact(folder) else "damaged, will be built again"


def _weights_checksum(folder: Path) -> str:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    return str(manifest["model.safetensors"])
