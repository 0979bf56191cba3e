import re
import stat
from pathlib import Path
from typing import Any

import pytest

from streams.author_key import AUTHOR_KEY_FILE, resolve_author_key
from streams.connection import client_options, producer_options
from streams.errors import SettingsError
from streams.faust_options import faust_options
from streams.logs import secret_values
from streams.settings import ENV_PREFIX, Settings, load_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{field.upper()}", raising=False)


def write(folder: Path, text: str) -> Path:
    path = folder / "narrawatch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(config: Path | None = None, **overrides: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(config, **overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.__cause__ is None
    return message


def test_arguments_beat_environment_beats_file_beats_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(tmp_path, "metrics_port = 1\npartitions = 2\napp_id = 'file'\n")
    monkeypatch.setenv("NARRAWATCH_METRICS_PORT", "10")
    monkeypatch.setenv("NARRAWATCH_PARTITIONS", "20")
    settings = load_settings(config, metrics_port=100, desk=None)
    assert (settings.metrics_port, settings.partitions, settings.app_id) == (100, 20, "file")
    assert settings.desk == "default"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARRAWATCH_METRICS_PORT", "")
    assert load_settings().metrics_port == 9464


def test_settings_alone_ignore_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARRAWATCH_METRICS_PORT", "10")
    assert Settings().metrics_port == 9464


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        ({"metrics_port": 99_999}, ("metrics_port", "99999", "0 to 65535", "argument")),
        ({"sensitivity": "extreme"}, ("sensitivity", "low, normal or high")),
        ({"hot_narratives": 10}, ("hot_narratives", "1,000 to 200,000")),
        ({"kafka_bootstrap": "localhost"}, ("kafka_bootstrap", "HOST:PORT")),
        ({"desk": "French Tech"}, ("desk", "lower-case")),
        ({"batch_wait_seconds": float("nan")}, ("batch_wait_seconds", "60 seconds")),
        ({"metric_port": 1}, ("metric_port", "did you mean metrics_port")),
        ({"kafka_ssl_cafile": "/no/such/file.pem"}, ("kafka_ssl_cafile", "existing PEM file")),
        ({"kafka_security_protocol": "SASL_SSL"}, ("kafka_sasl_username", "kafka_sasl_password")),
        ({"watches": [{"name": "a", "phrases": ["x y"]}] * 2}, ("watches", "same name")),
        (
            {"watches": [{"name": "a", "phrases": ["x y"], "threshold_per_hour": 0}]},
            ("watches[0].threshold_per_hour", "1 to 1000000 matches"),
        ),
        (
            {"watches": [{"name": "a", "phrases": ["x y"], "surprise": 0}]},
            ("watches[0].surprise", "decades"),
        ),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_what_is_allowed(
    overrides: dict[str, object], parts: tuple[str, ...]
) -> None:
    message = refusal(None, **overrides)
    assert all(part in message for part in parts), message


def test_the_place_of_a_bad_value_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(tmp_path, "partitions = 'many'\n")
    assert str(config) in refusal(config)
    monkeypatch.setenv("NARRAWATCH_PARTITIONS", "none")
    assert "environment as NARRAWATCH_PARTITIONS" in refusal(config)


def test_unknown_keys_of_the_file_get_a_suggestion(tmp_path: Path) -> None:
    assert "did you mean kafka_bootstrap?" in refusal(write(tmp_path, "kafka_boostrap = 'a:1'\n"))
    misspelt_watch = "[[watches]]\nname = 'a'\nphrase = ['disguised acquisition']\n"
    assert "watches[0].phrase" in (message := refusal(write(tmp_path, misspelt_watch)))
    assert "did you mean phrases?" in message


@pytest.mark.parametrize(("content", "part"), [(b"a = ", "not TOML"), (b"a = '\xff'", "not UTF-8")])
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    assert part in refusal(path)
    assert "No such file" in refusal(tmp_path / "absent.toml")
    assert "directory" in refusal(tmp_path)


def test_watches_come_from_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(tmp_path, "[[watches]]\nname = 'rachat'\nphrases = ['rachat déguisé']\ndesk = 'fr'\n")
    (watch,) = load_settings(config).watches
    assert (watch.name, watch.phrases, watch.desk) == ("rachat", ("rachat déguisé",), "fr")
    assert (watch.threshold_per_hour, watch.surprise, watch.similarity) == (None, None, None)
    monkeypatch.setenv("NARRAWATCH_WATCHES", '[{"name": "other", "phrases": ["a claim"]}]')
    assert load_settings(config).watches[0].name == "other"
    monkeypatch.setenv("NARRAWATCH_WATCHES", "[")
    assert "NARRAWATCH_WATCHES is not valid JSON" in refusal()


def test_secrets_are_never_shown() -> None:
    secrets = {"author_key": "correct-horse-battery", "kafka_sasl_password": "hunter2-hunter2"}
    settings = load_settings(None, kafka_sasl_username="me", kafka_security_protocol="SASL_SSL", **secrets)
    assert not any(secret in f"{settings!r} {settings}" for secret in secrets.values())
    assert "short-secret" not in refusal(author_key="short-secret")


def test_the_author_key_is_made_once_and_private(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings(data_dir=tmp_path / "data")
    key = resolve_author_key(settings)
    assert len(key) == 32
    assert resolve_author_key(settings) == key
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert key.hex() not in caplog.text
    file = tmp_path / "data" / AUTHOR_KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("cut off")
    with pytest.raises(SettingsError, match="holds no author key"):
        resolve_author_key(settings)


def test_a_given_author_key_needs_no_file(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "data", author_key="correct-horse-battery")
    assert resolve_author_key(settings) == b"correct-horse-battery"
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"data_dir .* cannot be used"):
        resolve_author_key(load_settings(data_dir=tmp_path / "file" / "data"))


def test_both_kinds_of_client_get_the_same_security() -> None:
    phrase = "correct-horse"
    settings = load_settings(
        kafka_bootstrap="a:1,b:2",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username="me",
        kafka_sasl_password=phrase,
    )
    plain = client_options(settings)
    assert plain["bootstrap_servers"] == ["a:1", "b:2"]
    assert (plain["sasl_mechanism"], plain["sasl_plain_password"]) == ("SCRAM-SHA-512", phrase)
    faust = faust_options(settings)
    assert faust["broker"] == ["kafka://a:1", "kafka://b:2"]
    credentials = faust["broker_credentials"]
    assert (credentials.username, credentials.password) == ("me", phrase)
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert credentials.protocol.value == plain["security_protocol"]
    assert credentials.ssl_context.check_hostname
    assert faust_options(load_settings())["broker_credentials"] is None


def test_small_batches_are_for_the_embedded_broker_only() -> None:
    embedded, real = load_settings(kafka_embedded=True), load_settings()
    assert producer_options(embedded)["batch_size"] == 0
    assert producer_options(real)["batch_size"] > 16_384
    assert faust_options(embedded)["producer_max_batch_size"] == 1
    assert faust_options(real)["producer_max_batch_size"] > 16_384


def test_a_certificate_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    rubbish = tmp_path / "ca.pem"
    rubbish.write_text("rubbish")
    settings = load_settings(kafka_security_protocol="SSL", kafka_ssl_cafile=rubbish)
    with pytest.raises(SettingsError, match="kafka_ssl_"):
        client_options(settings)


@pytest.mark.parametrize(
    ("receiver", "expected"),
    [
        ({"url": "https://hooks.example.org/PATH-IS-SECRET"}, "notify[0].name is missing"),
        ({"name": "a", "url": "hooks.example.org/PATH-IS-SECRET"}, "notify[0].url"),
        ({"name": "a", "url": "ftp://hooks.example.org/PATH-IS-SECRET"}, "notify[0].url"),
        ({"name": "a", "url": "https://x.example", "secret": "PATH-IS-SECRET"}, "notify[0].secret"),
        ({"name": "a", "url": "https://x.example", "format": "teams"}, "json, slack or mattermost"),
        ({"name": "a", "url": "https://x.example", "formats": "json"}, "did you mean format?"),
        ("https://hooks.example.org/PATH-IS-SECRET", "notify[0]"),
    ],
)
def test_a_bad_receiver_is_refused_without_its_secrets(receiver: object, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(notify=[receiver])
    assert expected in str(caught.value)
    assert "PATH-IS-SECRET" not in str(caught.value)


def test_receivers_come_from_a_file_and_their_secrets_are_known_as_such(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        "[[notify]]\nname = 'newsroom'\nurl = 'https://hooks.example.org/PATH-IS-SECRET'\nformat = 'slack'\n"
        "secret = 'what signs the messages'\ndesks = ['fr']\n",
    )
    settings = load_settings(config)
    (receiver,) = settings.notify
    assert (receiver.format, receiver.desks, receiver.min_severity) == ("slack", ("fr",), "info")
    assert "PATH-IS-SECRET" not in repr(settings)
    assert {"https://hooks.example.org/PATH-IS-SECRET", "what signs the messages"} <= set(
        secret_values(settings)
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"notify": [{"name": "a", "url": "https://x.example"}] * 2}, "two receivers have the same name"),
        ({"notify_listen_host": "192.0.2.1"}, "needs notify_listen_token"),
        ({"notify_listen_token": "short"}, "at least 16 characters"),
        ({"web_url": "ftp://x.example"}, "web_url"),
        ({"alert_runbook_url": "run book"}, "an address or a path"),
    ],
)
def test_settings_of_alerts_and_notifications_are_checked(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(expected)):
        load_settings(**values)
