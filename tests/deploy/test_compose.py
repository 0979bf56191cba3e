"""deploy/compose.yaml and what it mounts: right by the schema, and true of the product."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from streams.apache.jars import KAFKA_VERSION
from streams.settings import load_settings
from tests.deploy.product import DEPLOY, check_command, check_environment, check_image, secret_sample
from tests.programs import checked, require_programs

COMPOSE = DEPLOY / "compose.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
SECRETS = {"NARRAWATCH_AUTHOR_KEY", "NARRAWATCH_WEB_TOKEN", "NARRAWATCH_NOTIFY_LISTEN_TOKEN"}
SECRETS |= {"GRAFANA_ADMIN_PASSWORD"}
# Which setting says where the metrics of a job are.
SETTINGS = {
    "narrawatch": "metrics_port",
    "narrawatch-notify": "notify_metrics_port",
    "narrawatch-ingest": "ingest_metrics_port",
    "narrawatch-web": "web_metrics_port",
}


def example() -> dict[str, str]:
    """What .env.example sets."""
    lines = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolated(value: str, variables: dict[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        given = variables.get(match["name"], "")
        if not given and match["required"] is not None:
            raise KeyError(match["name"])
        return given or match["default"] or ""

    return re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?(?P<required>[^}]*))?\}", replace, value)


def test_it_is_a_compose_file() -> None:
    file = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    errors = [
        f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(DOCUMENT)
    ]
    assert not errors
    broken = DOCUMENT | {"services": {"kafka": {"image": "x", "restarts": "no"}}}
    assert list(Draft7Validator(schema).iter_errors(broken))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_bounded_and_looked_after(name: str) -> None:
    service = SERVICES[name]
    image = interpolated(service["image"], {})
    check_image(image)
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory"}
    assert service["restart"] in ("unless-stopped", "no")
    assert "no-new-privileges:true" in service["security_opt"]
    assert name == "kafka" or service["cap_drop"] == ["ALL"]
    for port in service.get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)
    for other in service.get("depends_on", ()):
        assert other in SERVICES
    # Workers are asked as their image says; a job is over before anybody could ask.
    assert "healthcheck" in service or name == "worker"


def test_its_broker_is_the_one_of_the_tests() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


@pytest.mark.parametrize("name", OURS)
def test_commands_and_settings_are_real(name: str) -> None:
    service = SERVICES[name]
    variables = example() | secret_sample(SECRETS)
    environment = {key: interpolated(value, variables) for key, value in service["environment"].items()}
    check_environment(environment)
    check_command(service["command"])
    assert service["read_only"]
    assert any(place.startswith("/tmp:") for place in service["tmpfs"])  # noqa: S108 - in the container


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name: str) -> None:
    missing = []
    for volume in SERVICES[name].get("volumes", ()):
        source, target, *mode = volume.split(":")
        if source.startswith("."):
            assert mode == ["ro"]
            path = (DEPLOY / source).resolve()
            if not path.exists() or (path.is_dir() and not any(path.iterdir())):
                missing.append(path)
        else:
            assert source in DOCUMENT["volumes"]
        assert target.startswith("/")
    assert not missing


def test_the_example_names_every_variable_and_no_other() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text(encoding="utf-8")))
    used |= {secret["environment"] for secret in DOCUMENT["secrets"].values()}
    assert example().keys() - {"COMPOSE_PROFILES"} == used
    for name in SECRETS:
        assert example()[name] == ""  # nobody runs with a secret that everybody can read


def test_what_containers_write_to_is_writable() -> None:
    """The image is read-only: what the page keeps is in a volume. Grafana finds its files where it looks."""
    web = SERVICES["web"]
    folder = web["environment"]["NARRAWATCH_CACHE_DIR"]
    assert f"web:{folder}" in web["volumes"]
    assert f" {folder}\n" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/narrawatch.yaml").read_text())
    path = provider["providers"][0]["options"]["path"]
    assert f"../dashboards/generated:{path}:ro" in SERVICES["grafana"]["volumes"]


def test_without_its_secrets_it_does_not_start() -> None:
    for name in SECRETS:
        with pytest.raises(KeyError, match=name):
            interpolated(COMPOSE.read_text(encoding="utf-8"), example() | secret_sample(SECRETS - {name}))


def test_the_settings_that_are_mounted_are_good() -> None:
    settings = load_settings(DEPLOY / "compose" / "narrawatch.toml")
    assert settings.watches


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    require_programs("promtool")
    text = (DEPLOY / "compose" / "prometheus.yml").read_text(encoding="utf-8")
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace("/etc/prometheus/rules", str(DEPLOY / "prometheus" / "rules")))
    checked("promtool", "check", "config", str(config))
    document = yaml.safe_load(text)
    beside = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in document["scrape_configs"]}
    assert {job["job_name"] for job in beside["scrape_configs"]} <= jobs.keys()
    ports = {
        job: SERVICES[found["names"][0]]["environment"][f"NARRAWATCH_{SETTINGS[job]}".upper()]
        for job, found in jobs.items()
    }
    assert {job: int(port) for job, port in ports.items()} == {job: one["port"] for job, one in jobs.items()}
    for found in jobs.values():
        assert "monitoring" in SERVICES[found["names"][0]]["networks"]
    assert {job["names"][0] for job in jobs.values()} <= SERVICES.keys()


def test_alertmanager_takes_its_configuration(tmp_path: Path) -> None:
    require_programs("amtool")
    text = (DEPLOY / "compose" / "alertmanager.yml").read_text(encoding="utf-8")
    token = tmp_path / "token"
    token.write_text("a token")
    config = tmp_path / "alertmanager.yml"
    config.write_text(text.replace("/run/secrets/notify_listen_token", str(token)))
    checked("amtool", "check-config", str(config))
    (receiver,) = yaml.safe_load(text)["receivers"]
    port = SERVICES["notify"]["environment"]["NARRAWATCH_NOTIFY_LISTEN_PORT"]
    assert receiver["webhook_configs"][0]["url"] == f"http://notify:{port}/alertmanager"


def test_networks_keep_the_flow_apart() -> None:
    assert DOCUMENT["networks"]["flow"]["internal"]
    for name, service in SERVICES.items():
        assert set(service["networks"]) <= DOCUMENT["networks"].keys()
        if service.get("ports"):
            assert "outside" in service["networks"], name  # else nothing can be reached at its port
    assert "outside" not in SERVICES["worker"]["networks"]
