import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
from pydantic import SecretStr

from streams.logs import MASK, configure_logging, mask_secrets, secret_values
from streams.settings import Settings

LIBRARIES = ("kafka", "aiokafka", "httpx", "py.warnings")


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("password=hunter2 user=ann", f"password={MASK} user=ann"),
        ("sasl_plain_password: 'a b c', x", f"sasl_plain_password: {MASK}, x"),
        ('{"token": "abc", "n": 1}', f'{{"token": {MASK}, "n": 1}}'),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MASK}"),
        ("'Authorization': 'Basic YTpi'", f"'Authorization': 'Basic {MASK}'"),
        ("kafka://ann:secret@host:9092", f"kafka://ann:{MASK}@host:9092"),
        ("api_key=abc&q=1", f"api_key={MASK}&q=1"),
        ("the tokenizer found 12 tokens in 3 s", "the tokenizer found 12 tokens in 3 s"),
        ("at 2026-11-23T10:00:00Z in [comments:2]@57", "at 2026-11-23T10:00:00Z in [comments:2]@57"),
    ],
)
def test_what_looks_like_a_secret_is_masked(line: str, masked: str) -> None:
    assert mask_secrets(line) == masked


def test_secret_settings_are_known() -> None:
    settings = Settings(author_key=SecretStr("a key of enough characters"))
    assert secret_values(settings) == ["a key of enough characters"]


OUTPUT_FORMATS: tuple[Literal["console", "json"], ...] = ("console", "json")


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_no_secret_gets_out_by_any_way(
    capsys: pytest.CaptureFixture[str], output_format: Literal["console", "json"]
) -> None:
    value = 'gro"ße\\Xylophon'
    configure_logging("info", output_format, secrets=["Xylo", value])
    logger = logging.getLogger("some.library")
    logger.info("as an argument %s", value)
    try:
        raise ValueError(f"in an error: {value}")
    except ValueError:
        logger.exception("failed")
    said = capsys.readouterr().err
    assert said.count(MASK) >= 2
    assert "phon" not in said.lower()


def test_json_lines_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    logging.getLogger("a").warning('token="x y" and\nanother line')
    (line,) = capsys.readouterr().err.splitlines()
    read = json.loads(line)
    assert (read["event"], read["level"], read["logger"]) == (
        f"token={MASK} and\nanother line",
        "warning",
        "a",
    )
    assert read["timestamp"].endswith("Z")


def test_libraries_are_quiet_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    logging.getLogger("kafka.conn").error("socket refused")
    logging.getLogger("httpx").info("GET")
    assert capsys.readouterr().err == ""
    configure_logging("debug")
    logging.getLogger("kafka.conn").error("socket refused")
    logging.getLogger("streams.x").debug("detail")
    said = capsys.readouterr().err
    assert "socket refused" in said
    assert "detail" in said


def test_the_last_call_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    configure_logging("warning")
    logging.getLogger("a").info("no")
    logging.getLogger("a").warning("yes")
    assert capsys.readouterr().err.count("\n") == 1
