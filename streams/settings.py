"""The settings of a process, merged from four places; nothing else reads the environment.

Strongest first: arguments of the command, environment variables (`NARRAWATCH_` and the name of the
setting), the TOML file given with `--config`, the defaults. The merge is done here and not left to
pydantic-settings, so that an error can name the place of a bad value and answer a misspelt key with the
right one. The fields themselves are in `streams.settings_fields`, the author key in `streams.author_key`.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as EnvironmentValueError

from streams.errors import SettingsError
from streams.ingest_fields import SourceTable
from streams.notify_fields import Receiver
from streams.settings_fields import Settings, Watch

__all__ = ["ENV_PREFIX", "Settings", "Watch", "load_settings"]

ENV_PREFIX = "NARRAWATCH_"
# Settings that are lists of tables, and what a table of each is.
_TABLES: Mapping[str, type[BaseModel]] = {"watches": Watch, "notify": Receiver, "sources": SourceTable}
_SHOWN_CHARACTERS = 60  # of a bad value, enough to recognise it


class _Environment(Settings, BaseSettings):
    """The same fields, as pydantic-settings wants them to look the variables up."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_ignore_empty=True)


class _Layer(NamedTuple):
    values: Mapping[str, Any]
    place: str  # how an error names it; "{key}" is the setting


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """The settings of this process: overrides, then environment, then the file, then the defaults.

    config: a TOML file; its keys are the fields of `Settings`, watches are `[[watches]]` tables.
    overrides: arguments of the command; None means "not given".
    Environment: `NARRAWATCH_` and the field's name; `watches` as JSON; an empty variable is not set.
    Raises SettingsError (one line with the setting, what is allowed, and where the bad value stands).
    """
    layers = [
        _Layer({key: value for key, value in overrides.items() if value is not None}, "given as an argument"),
        _Layer(_read_environment(), f"in the environment as {ENV_PREFIX}{{key}}"),
        _Layer({} if config is None else _read_toml(config), f"in {config}"),
    ]
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        merged.update(layer.values)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(error, layers))) from None


def _read_environment() -> dict[str, Any]:
    source = EnvSettingsSource(_Environment)
    try:
        return source()
    except EnvironmentValueError as error:
        # Only structured fields are parsed here; the message names the field.
        key = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "watches")
        raise SettingsError(f"{ENV_PREFIX}{key.upper()} is not valid JSON") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"cannot read the configuration {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"the configuration {path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the configuration {path} is not TOML: {error}") from None


def _explain(error: ValidationError, layers: list[_Layer]) -> list[str]:
    """One phrase for each thing that is wrong."""
    phrases = []
    for item in error.errors(include_url=False, include_context=False):
        location = item["loc"]
        if not location:  # settings that contradict each other; the validator names them
            phrases.append(item["msg"].removeprefix("Value error, "))
            continue
        key, name = str(location[0]), _dotted(location)
        if item["type"] == "extra_forbidden":
            phrases.append(f"unknown setting {name}{_place(key, layers)}{_suggestion(location)}")
        elif item["type"] == "missing":
            phrases.append(f"{name} is missing{_place(key, layers)}: {_allowed(location, item['msg'])}")
        else:
            shown = "this value" if _is_secret(location) else _shorten(item["input"])
            phrases.append(
                f"{name}{_place(key, layers)}: {shown} is not allowed: {_allowed(location, item['msg'])}"
            )
    return phrases


def _dotted(location: tuple[int | str, ...]) -> str:
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name


def _place(key: str, layers: list[_Layer]) -> str:
    for layer in layers:
        if key in layer.values:
            return f" ({layer.place.format(key=key.upper())})"
    return ""


def _model_of(location: tuple[int | str, ...]) -> type[BaseModel]:
    return _TABLES.get(str(location[0]), Settings) if len(location) > 2 else Settings


def _field_of(location: tuple[int | str, ...]) -> str:
    return str(location[0] if _model_of(location) is Settings else location[2])


def _suggestion(location: tuple[int | str, ...]) -> str:
    known = list(_model_of(location).model_fields)
    close = difflib.get_close_matches(_field_of(location), known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _allowed(location: tuple[int | str, ...], message: str) -> str:
    field = _model_of(location).model_fields.get(_field_of(location))
    return message if field is None or field.description is None else field.description


def _is_secret(location: tuple[int | str, ...]) -> bool:
    """Whether the value at this place must not be shown: it is a secret, or a table that holds some."""
    field = _model_of(location).model_fields.get(_field_of(location))
    holds_some = location[0] == "notify" and _model_of(location) is Settings
    return holds_some or (
        field is not None and SecretStr in getattr(field.annotation, "__args__", (field.annotation,))
    )


def _shorten(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[: _SHOWN_CHARACTERS - 1] + "…"
