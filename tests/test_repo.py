"""The repository itself: what a newcomer meets before any code runs."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def tracked_files() -> list[Path]:
    """What git has, and what it would take in: the same from a clean clone and before a commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    names = [name.decode() for name in listed.stdout.split(b"\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked_files():
        try:
            found.append((path.relative_to(ROOT), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def test_make_alone_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  make (\S+) +\S", shown, re.MULTILINE)
    assert listed == phony.split()
    assert {"setup", "demo", "test", "lint", "types", "format", "clean"} <= set(listed)


# Written in parts, so that this file does not match itself.
FORBIDDEN = {
    "a host of a package index": re.compile("py" + r"pi\.org|python" + r"hosted\.|registry\.np" + "m"),
    "an option that names an index": re.compile(r"--(?:extra-)?index-url[ =]\S|--find-links[ =]\S"),
    "a path of somebody's machine": re.compile(
        r"(?<![\w.~-])/(?:ro" + r"ot|ho" + "me|wo" + r"rk|Us" + "ers)/"
    ),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    assert [str(path) for path, text in texts() if FORBIDDEN[what].search(text)] == []


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_names(lines: list[str]) -> list[str]:
    names = [re.match(r"[A-Za-z0-9._-]+", line) for line in lines]
    return [normalised(name[0]) for name in names if name]


def test_the_pinned_requirements_cover_all_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = requirement_names([*project["dependencies"], *project["optional-dependencies"]["dev"]])
    lines = [
        line
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert [line for line in lines if not re.match(r"[A-Za-z0-9._-]+==[\w.!+]+( ;|$)", line)] == []
    assert set(wanted) - set(requirement_names(lines)) == set()


def test_ci_runs_what_the_readme_tells() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o100
    assert "make test" in script.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_top_level_is_as_people_expect_it() -> None:
    for name in ("LICENSE", "CHANGELOG.md", "Makefile", "pyproject.toml", "requirements.txt", ".gitignore"):
        assert (ROOT / name).is_file(), name
