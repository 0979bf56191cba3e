"""The command line: usage, exit codes, errors of one line, and what is imported for it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from prometheus_client import CollectorRegistry

from streams.broker import EmbeddedBroker
from streams.cli import COMMANDS, narrawatch
from streams.commands.options import start
from streams.health import Health, Phase
from streams.metrics_server import MetricsServer

ROOT = Path(__file__).parent.parent.parent
PROGRAM = (sys.executable, "-m", "streams")
HEAVY = ("torch", "sentence_transformers", "transformers", "faust", "kafka", "numpy", "pydantic", "rich")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NARRAWATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NARRAWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("NARRAWATCH_AUTHOR_KEY", "a key for these tests")


@pytest.fixture
def comments(tmp_path: Path) -> Path:
    path = tmp_path / "comments.jsonl"
    texts = ("The battery drains overnight since the update.", "Merci !", "My fan is loud since the update.")
    records = [json.dumps({"id": n, "text": text}) for n, text in enumerate(texts)]
    path.write_text("\n".join(records), encoding="utf-8")
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(narrawatch, [str(argument) for argument in arguments], prog_name="narrawatch")


def run(*arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *(str(argument) for argument in arguments)]
    return subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


SUBCOMMANDS = [
    ("dead-letters", "list"),
    ("dead-letters", "replay"),
    ("dead-letters", "drop"),
    ("topics", "create"),
    ("topics", "list"),
    ("models", "list"),
    ("models", "build"),
    ("models", "check"),
]


@pytest.mark.parametrize("names", [*((name,) for name in COMMANDS), *SUBCOMMANDS], ids=" ".join)
def test_help_shows_an_example(names: tuple[str, ...]) -> None:
    result = invoke(*names, "--help")
    assert result.exit_code == 0
    assert f"  narrawatch {names[0]}" in result.output.partition("Example")[2]


def test_help_lists_all_commands_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from streams.cli import narrawatch; narrawatch(['--help'], standalone_mode=False);"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", ["replay", "ingest", "topics", "dead-letters", "broker", "models", "doctor"])
def test_a_commands_own_help_needs_no_model_and_no_faust(name: str) -> None:
    code = (
        "import sys; from streams.cli import narrawatch;"
        f"narrawatch(['{name}', '--help'], standalone_mode=False);"
        f"print([name for name in {HEAVY[:4]!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("replay",),
        ("replay", "a.txt"),
        ("replay", "a.txt", "--out", "o", "--sensitivity", "extreme"),
        ("ingest",),
        ("ingest", "wordpres", "https://blog.example.fr"),
        ("ingest", "https://blog.example.fr"),
        ("broker", "--port", "65536"),
        ("topics", "list", "--log-format", "xml"),
        ("doctor", "--nope"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that failed as a user may make it fail."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("narrawatch: ")
    return line


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_wrong_path_is_one_line(tmp_path: Path) -> None:
    line = one_line(run("replay", tmp_path / "nope.jsonl", "--out", tmp_path / "out", "--model", "hash"))
    assert "nope.jsonl: No such file or directory" in line


def test_a_wrong_configuration_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "narrawatch.toml"
    assert "cannot read the configuration" in one_line(run("doctor", "--config", config))
    config.write_text("metrics_prt = 1", encoding="utf-8")
    assert "did you mean metrics_port?" in one_line(run("doctor", "--config", config))


def test_a_folder_that_is_no_model_is_one_line(tmp_path: Path, comments: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{", encoding="utf-8")
    done = run("replay", comments, "--out", tmp_path / "out", "--model", tmp_path / "model", "--json")
    assert str(tmp_path / "model") in one_line(done)
    assert not (tmp_path / "out").exists()


def test_a_broker_that_is_down_is_one_line(comments: Path) -> None:
    address = f"127.0.0.1:{closed_port()}"
    assert address in one_line(run("ingest", comments, "--kafka", address))


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 cannot be used" in one_line(run("broker", "--port", port))


def test_a_disk_that_refuses_is_one_line(tmp_path: Path, comments: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = run("replay", comments, "--out", tmp_path / "file" / "out", "--model", "hash", "--json")
    assert "cannot write to" in one_line(done)


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch, comments: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("streams.commands.replay.run_replay", fail)
    assert isinstance(invoke("replay", comments, "--out", "o").exception, ZeroDivisionError)


def test_ctrl_c_is_130_and_says_nothing(monkeypatch: pytest.MonkeyPatch, comments: Path) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("streams.commands.replay.run_replay", interrupt)
    result = invoke("replay", comments, "--out", "o")
    assert (result.exit_code, result.output) == (130, "")


def test_a_reader_that_leaves_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*PROGRAM, "models", "list"],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert done.stderr == ""


def test_replay_prints_a_summary_or_json(tmp_path: Path, comments: Path) -> None:
    out = tmp_path / "out"
    result = invoke("replay", comments, "--out", out, "--model", "hash", "--watch", "loud fan")
    assert result.exit_code == 0
    assert "3 comments; 3 claims; model: hashed words" in result.stdout
    assert "watch “loud fan”: " in result.stdout
    assert "no narrative emerged" in result.stdout
    done = run("replay", "-", "--out", out, "--model", "hash", "--json", stdin=comments.read_text("utf-8"))
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (report["comments"], report["rejected"], report["narratives"]) == (3, {}, [])


def test_a_progress_bar_only_on_a_terminal(tmp_path: Path, comments: Path) -> None:
    done = run("replay", comments, "--out", tmp_path / "out", "--model", "hash", "--log-level", "warning")
    assert done.stderr == ""


def test_options_are_settings(tmp_path: Path) -> None:
    config = tmp_path / "narrawatch.toml"
    config.write_text('model = "hash"\ndesk = "from-file"\n', encoding="utf-8")
    settings = start({"config": config, "model": None, "desk": "given"})
    assert (settings.model, settings.desk) == ("hash", "given")


def test_models_list_tells_what_is_set(tmp_path: Path) -> None:
    report = json.loads(invoke("models", "list", "--json").stdout)
    assert report["model"] == report["default"] == "intfloat/multilingual-e5-small"
    assert "packaged" in invoke("models", "list").stdout


def test_models_check_tries_the_model() -> None:
    report = json.loads(invoke("models", "check", "--model", "hash", "--json").stdout)
    assert report["dimensions"] == 64
    assert "works: hashed words" in invoke("models", "check", "--model", "hash").stdout


def test_doctor_finds_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = tmp_path / "narrawatch.toml"
        config.write_text(
            f'metrics_port = {taken.getsockname()[1]}\ncache_dir = "{tmp_path}/file/cache"\n',
            encoding="utf-8",
        )
        result = invoke("doctor", "--config", config, "--kafka", f"127.0.0.1:{closed_port()}", "--json")
    assert result.exit_code == 1
    good = {check["name"]: check["good"] for check in json.loads(result.stdout)}
    assert [good[name] for name in ("Python", "cache folder", "Kafka broker", "metrics port")] == [
        True,
        False,
        False,
        False,
    ]


def test_doctor_asks_the_worker_that_has_the_port(tmp_path: Path) -> None:
    health = Health()
    with MetricsServer(CollectorRegistry(), host="127.0.0.1", port=0, questions=health.questions) as server:
        config = tmp_path / "narrawatch.toml"
        config.write_text(f"metrics_port = {urlsplit(server.url).port}\n", encoding="utf-8")

        def port() -> dict[str, object]:
            checks = json.loads(invoke("doctor", "--config", config, "--json").stdout)
            return next(check for check in checks if check["name"] == "metrics port")

        found = port()
        assert not found["good"]
        assert "is not ready: the model is not loaded yet; the broker has not answered yet" in str(found)
        health.enter(Phase.RUNNING)
        health.model("a model")
        health.broker_answered(time.monotonic())
        assert port()["good"]


@pytest.mark.integration
def test_topics_and_ingest_on_the_embedded_broker(
    tmp_path: Path, comments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedBroker() as broker:
        monkeypatch.setenv("NARRAWATCH_KAFKA_EMBEDDED", "true")
        monkeypatch.setenv("NARRAWATCH_KAFKA_BOOTSTRAP", broker.address)
        assert "lacks the topics comments" in invoke("ingest", comments).output
        created = json.loads(invoke("topics", "create", "--partitions", 2, "--json").stdout)["created"]
        assert "dead-letters" in created
        assert invoke("topics", "create").stdout == "all topics exist already\n"
        listed = {topic["name"]: topic for topic in json.loads(invoke("topics", "list", "--json").stdout)}
        assert (listed["comments"]["partitions"], listed["events"]["partitions"]) == (2, 1)
        assert "for ever" in invoke("topics", "list").stdout
        assert json.loads(invoke("ingest", comments, "--json").stdout) == {"sent": 3, "dead_letters": 0}
        checks = json.loads(invoke("doctor", "--json").stdout)
        assert {check["name"]: check["good"] for check in checks}["Kafka broker"]


@pytest.mark.integration
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_broker_runs_until_it_is_told_to_stop(number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "broker"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    address = first.split(" on ")[1].split()[0]
    assert "trying out only" in process.stdout.readline()
    process.send_signal(number)
    assert process.wait(timeout=15) == code
    assert "Traceback" not in process.communicate()[1]
    deadline = time.monotonic() + 5
    host, _, port = address.rpartition(":")
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) != 0:
                return
        time.sleep(0.05)
    raise AssertionError("the broker outlived the command")
