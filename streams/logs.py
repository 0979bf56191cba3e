"""Logging: one line on standard error for each thing that a person running this should know.

Every logger of the standard library goes through here, our own and those of libraries; as text or as JSON.
Standard output stays free for what a command prints. Secrets are masked in the finished line, whatever way
they came into it: the values of secret settings, and what looks like a password, a token or a key.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TextIO

import structlog
from pydantic import BaseModel, SecretStr
from structlog.processors import JSONRenderer
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["MASK", "configure_logging", "mask_secrets", "secret_values"]

MASK = "***"
_MIN_SECRET_CHARACTERS = 4  # a shorter one would also mask half of every ordinary line

_NAMED_SECRET = re.compile(
    r"(?P<name>\b[\w-]*(?:password|passwd|secret|token|api[_-]?key|author_key)[\"']?\s*[:=]\s*)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;&\"'}]+)",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"(?P<name>\bauthorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|digest)\s+)?)(?P<value>[^\s\"',;}]+)",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?P<name>://[^\s/:@]*:)(?P<value>[^\s/@]+)(?=@)")

# What a library says about its own affairs. kafka-python logs a traceback for each failed attempt to
# connect; what matters of it reaches the user as a BrokerError.
_LIBRARY_LEVELS = {
    "kafka": logging.CRITICAL,
    "aiokafka": logging.ERROR,
    "asyncio": logging.WARNING,
    "faust": logging.WARNING,
    "filelock": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "huggingface_hub": logging.ERROR,
    "mode": logging.WARNING,
    "py.warnings": logging.ERROR,  # deprecations concern developers, not whoever runs this
    "sentence_transformers": logging.WARNING,
    "torch": logging.WARNING,
    "transformers": logging.ERROR,
    "urllib3": logging.WARNING,
}
# Even when asked for everything, these say nothing that explains narrawatch.
_ALWAYS_QUIET = ("filelock", "httpcore", "asyncio", "urllib3")


def configure_logging(
    level: Literal["debug", "info", "warning", "error"] = "info",
    output_format: Literal["console", "json"] = "console",
    *,
    secrets: Iterable[str] = (),
) -> None:
    """Send all logging of this process to standard error; may be called again, the last call counts.

    secrets: values that must never appear, see `secret_values`.
    """
    handler = _StandardErrorHandler()
    known = sorted(secrets, key=len, reverse=True)  # one may contain another
    handler.setFormatter(_json_formatter(known) if output_format == "json" else _console_formatter(known))
    root = logging.getLogger()
    for earlier in [one for one in root.handlers if isinstance(one, _StandardErrorHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(level.upper())
    debug = level == "debug"
    for name, quiet in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(
            logging.INFO if debug and name not in _ALWAYS_QUIET else max(quiet, root.level)
        )
    logging.captureWarnings(capture=True)


def secret_values(settings: BaseModel) -> list[str]:
    """The values of all secret fields of the settings, and of the tables in them."""
    found: list[str] = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, SecretStr):
                found.append(one.get_secret_value())
            elif isinstance(one, BaseModel):
                found += secret_values(one)
    return found


def mask_secrets(line: str, secrets: Iterable[str] = ()) -> str:
    """The line with every secret replaced by `MASK`."""
    for secret in secrets:
        if len(secret) >= _MIN_SECRET_CHARACTERS:
            line = line.replace(secret, MASK)
    line = _AUTHORIZATION.sub(rf"\g<name>{MASK}", line)
    line = _NAMED_SECRET.sub(rf"\g<name>{MASK}", line)
    return _URL_PASSWORD.sub(rf"\g<name>{MASK}", line)


class _StandardErrorHandler(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at that moment: a progress bar takes it over to stay below the log."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _MaskingFormatter(structlog.stdlib.ProcessorFormatter):
    """Masks the line as it is about to be written: nothing can be added to it afterwards."""

    def __init__(self, processors: Sequence[Processor], secrets: Sequence[str]) -> None:
        super().__init__(processors=processors, foreign_pre_chain=[_level, _logger_name, _timestamp])
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return mask_secrets(super().format(record), self._secrets)


def _level(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["level"] = event["_record"].levelname.lower()
    return event


def _logger_name(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["logger"] = event["_record"].name
    return event


_timestamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
_strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta


def _json_formatter(secrets: Sequence[str]) -> logging.Formatter:
    """Masks the values and not the line: what is masked in finished JSON may be a quote that it needs."""

    def mask(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {key: mask_secrets(value, secrets) for key, value in event.items()}

    return structlog.stdlib.ProcessorFormatter(
        processors=[_strip, structlog.processors.format_exc_info, mask, JSONRenderer(_dumps)],
        foreign_pre_chain=[_level, _logger_name, _timestamp],
    )


def _console_formatter(secrets: Sequence[str]) -> logging.Formatter:
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        pad_event_to=0,
        # The one with colours prints local variables, and with them whatever they hold.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return _MaskingFormatter([_strip, renderer], secrets)


def _dumps(event: EventDict, **options: Any) -> str:
    return json.dumps(event, ensure_ascii=False, **options)
