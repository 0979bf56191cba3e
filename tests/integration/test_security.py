"""A broker with TLS and a password: all clients get through, and wrong settings are one line."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from streams.apache.broker import ApacheBroker
from streams.apache.node import ClientSecurity
from streams.comments import Comment, encode_comment
from streams.settings import Settings, load_settings
from streams.topics import Topic, create_topics
from tests.apache import QUICK_RESTART, Certificates, make_certificates, require_apache
from tests.integration.live import ROOT, Worker, environment_of, records, run, wait_until_done

pytestmark = pytest.mark.integration

USER = "narrawatch"
WORD = 'é "quoted", \\ = {braces}; $HOME'  # whatever a password may have in it


class Secured(NamedTuple):
    broker: ApacheBroker
    certificates: Certificates


@pytest.fixture(scope="module")
def secured(model_cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker with both on."""
    require_apache(model_cache_dir)
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    security = ClientSecurity("SASL_SSL", {USER: WORD}, certificates.server)
    with ApacheBroker(cache_dir=model_cache_dir, properties=QUICK_RESTART, security=security) as broker:
        yield Secured(broker, certificates)


def settings_of(broker: ApacheBroker, folder: Path, cache_dir: Path, **more: Any) -> Settings:
    name = "".join(letter for letter in folder.name if letter.isalnum())
    return load_settings(
        kafka_bootstrap=broker.address,
        topic_prefix=f"{name}-",
        app_id=name,
        partitions=2,  # claims are put in order: the broker is asked where the group is, too
        model="hash",
        data_dir=folder,
        cache_dir=cache_dir,
        metrics_port=0,
        log_level="debug",
        **more,
    )


@pytest.fixture
def settings(secured: Secured, tmp_path: Path, model_cache_dir: Path) -> Settings:
    return settings_of(
        secured.broker,
        tmp_path,
        model_cache_dir,
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username=USER,
        kafka_sasl_password=WORD,
        kafka_ssl_cafile=secured.certificates.ca,
    )


def assert_comments_become_claims(settings: Settings, folder: Path) -> None:
    """The commands make topics, send comments and run a worker: kafka-python and aiokafka both."""
    comments = [Comment(id=str(n), text=f"The battery of phone {n} is empty by noon.") for n in range(20)]
    path = folder / "comments.jsonl"
    path.write_bytes(b"\n".join(encode_comment(comment) for comment in comments))
    create_topics(settings)
    said = [run(settings, "topics", "list"), run(settings, "ingest", str(path))]
    with (folder / "worker.log").open("w") as log, Worker(settings, log) as worker:
        worker.ready()
        wait_until_done(settings)
        worker.stop()
    assert len(records(settings, Topic.CLAIMS)) == len(comments)
    assert [one.returncode for one in said] == [0, 0]
    for text in [(folder / "worker.log").read_text(), *(one.stdout + one.stderr for one in said)]:
        assert WORD not in text
        assert "Traceback" not in text
        assert "the backlog is not known" not in text


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_comments_become_claims_with_tls_and_a_password(
    settings: Settings, tmp_path: Path, mechanism: str
) -> None:
    assert_comments_become_claims(settings.model_copy(update={"kafka_sasl_mechanism": mechanism}), tmp_path)


def test_comments_become_claims_with_a_certificate_of_the_client(
    model_cache_dir: Path, tmp_path: Path
) -> None:
    require_apache(model_cache_dir)
    certificates = make_certificates(tmp_path)
    security = ClientSecurity("SSL", {}, certificates.server, certificates.ca)
    with ApacheBroker(cache_dir=model_cache_dir, security=security) as broker:
        settings = settings_of(
            broker,
            tmp_path,
            model_cache_dir,
            kafka_security_protocol="SSL",
            kafka_ssl_cafile=certificates.ca,
            kafka_ssl_certfile=certificates.client_certificate,
            kafka_ssl_keyfile=certificates.client_key,
        )
        assert_comments_become_claims(settings, tmp_path)


def test_wrong_settings_are_one_line_and_exit_code_1(settings: Settings, tmp_path: Path) -> None:
    create_topics(settings)
    settings = settings.model_copy(update={"log_level": "info"})
    foreign = make_certificates(tmp_path).ca
    comments = tmp_path / "comments.jsonl"
    comments.write_bytes(encode_comment(Comment(id="1", text="a")))
    wrong = "a wrong password"
    scram = {"kafka_sasl_mechanism": "SCRAM-SHA-512"}
    password = {"kafka_sasl_password": SecretStr(wrong)}
    cases: list[tuple[dict[str, Any], str, str]] = [
        (password, "worker", f"refuses the user {USER} or the password (PLAIN)"),
        (password | scram, "worker", f"refuses the user {USER} or the password (SCRAM-SHA-512)"),
        (password, f"ingest {comments}", f"refuses the user {USER} or the password (PLAIN)"),
        ({"kafka_ssl_cafile": foreign}, "worker", "its certificate is not accepted"),
        ({"kafka_ssl_cafile": foreign}, "topics create", "its certificate is not accepted"),
        ({"kafka_security_protocol": "PLAINTEXT"}, "worker", "hangs up: is kafka_security_protocol"),
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "streams", *command.split()],
            cwd=ROOT,
            env=environment_of(settings.model_copy(update=changes)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for changes, command, _ in cases
    ]
    for process, (_, _, expected) in zip(processes, cases, strict=True):
        _, errors = process.communicate(timeout=120)
        assert expected in errors
        assert len(errors.strip().splitlines()) == 1
        assert wrong not in errors
        assert process.returncode == 1
