"""The Dockerfile: what can be known of it without building it."""

import re
import shlex
from pathlib import PurePosixPath

import pytest

from models.packaged import packaged_folder
from streams.settings_fields import Settings
from tests.deploy.product import DEPLOY, ROOT, check_command, check_environment, check_image

LINES = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text(encoding="utf-8")).splitlines()
INSTRUCTIONS = [line.split(None, 1) for line in LINES if line.strip() and not line.startswith("#")]


def of(name: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def environment() -> dict[str, str]:
    return dict(
        pair.split("=", 1)
        for rest in of("ENV")
        for pair in shlex.split(rest)
        if pair.startswith("NARRAWATCH_")
    )


def test_the_bases_are_pinned_and_the_same() -> None:
    images = {rest.split()[0] for rest in of("FROM")}
    assert len(images) == 1
    for image in images:
        check_image(image)


def test_it_runs_as_nobody_in_particular() -> None:
    user = of("USER")[-1]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert f"--uid {user.split(':')[0]}" in " ".join(of("RUN"))


def test_everything_that_it_copies_is_there_and_sent_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    for rest in of("COPY"):
        if rest.startswith("--from"):
            continue
        for source in shlex.split(rest)[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{PurePosixPath(source).parts[0]}" in ignored, source


def test_without_cuda_only_cuda_is_left_out() -> None:
    (pattern,) = re.findall(r"--extended-regexp '([^']+)' requirements\.txt", " ".join(of("RUN")))
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    left_out = [line for line in lines if re.search(pattern, line)]
    kept = [line for line in lines if line not in left_out]
    assert left_out
    assert any(line.startswith("torch==") for line in kept)
    assert not [line for line in kept if re.match(r"nvidia|cuda", line)]


def test_its_settings_and_commands_are_real() -> None:
    check_environment(environment())
    check_command(arguments_of(of("CMD")[-1]))
    built = [rest for rest in of("RUN") if "narrawatch models build" in rest]
    assert len(built) == 1
    check_command(["models", "build"])


def arguments_of(text: str) -> list[str]:
    return re.findall(r'"([^"]*)"', text)


def test_the_model_is_where_the_worker_looks() -> None:
    settings = Settings.model_validate(
        {key.removeprefix("NARRAWATCH_").lower(): value for key, value in environment().items()}
    )
    assert settings.model == "packaged"
    assert str(packaged_folder(settings.cache_dir)).startswith("/opt/narrawatch/")
    assert any("/opt/narrawatch /opt/narrawatch" in rest for rest in of("COPY"))
    # What a worker would make below its cache is there already: the image may be read-only.
    assert any(f"{settings.cache_dir}/faust/v1/tables" in rest for rest in of("RUN"))


def test_its_health_is_asked_where_a_worker_answers() -> None:
    (check,) = of("HEALTHCHECK")
    assert f"http://127.0.0.1:{Settings().metrics_port}/health" in check
    assert of("EXPOSE") == [str(Settings().metrics_port)]


@pytest.mark.parametrize("secret", ["KEY", "TOKEN", "PASSWORD"])
def test_no_secret_is_in_it(secret: str) -> None:
    assert not [name for name in environment() if name.endswith(secret)]
