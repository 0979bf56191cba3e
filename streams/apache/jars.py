"""The jars of Apache Kafka, fetched once from Maven Central with Maven and kept in the user's cache.

Maven follows the user's own settings (a mirror, a proxy) and checks each file against its checksum. It works
in a folder of its own beside the jars, so that a fetch that was interrupted goes on where it stopped; the
jars appear under their name only when all are there.
"""

import hashlib
import json
import logging
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from streams.errors import BrokerError

__all__ = ["KAFKA_VERSION", "fetch_jars", "find_java", "find_maven"]

KAFKA_VERSION = "4.3.1"
_LOG4J_VERSION = "2.25.4"  # the one that Kafka's own jars ask for
_MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_OLDEST_JAVA = 17
_ATTEMPTS = 2  # a connection that breaks; what has arrived is kept
_FETCH_SECONDS = 900.0
_MANIFEST = "manifest.json"

_DEPENDENCIES = (
    ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    ("org.apache.logging.log4j", "log4j-core", _LOG4J_VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", _LOG4J_VERSION),
)

_logger = logging.getLogger(__name__)


def find_java() -> str:
    """The path of Java. Raises BrokerError when it is missing or too old."""
    java = shutil.which("java")
    remedy = "on Debian, apt-get install default-jre-headless"
    if java is None:
        raise BrokerError(f"Apache Kafka needs Java {_OLDEST_JAVA} or later, and there is no java: {remedy}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        found = said.partition("\n")[0] or "says nothing of its version"
        raise BrokerError(f"Apache Kafka needs Java {_OLDEST_JAVA} or later; {java}: {found}; {remedy}")
    return java


def find_maven() -> str:
    """The path of Maven. Raises BrokerError when it is missing."""
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError("Maven fetches Apache Kafka, and there is no mvn: on Debian, apt-get install maven")
    return maven


def _jars_folder(cache_dir: Path) -> Path:
    """The name changes with what is fetched."""
    return cache_dir / f"kafka-{KAFKA_VERSION}-{hashlib.sha256(_pom().encode()).hexdigest()[:8]}"


def fetch_jars(cache_dir: Path) -> Path:
    """The folder of the jars; fetches them (about 45 MB) if they are not there or not whole.

    Raises BrokerError when Maven is missing or cannot fetch them.
    """
    folder = _jars_folder(cache_dir)
    if _is_whole(folder):
        return folder
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not _is_whole(folder):  # nobody else has fetched them in the meantime
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    maven = find_maven()
    _logger.warning("fetching Apache Kafka %s from Maven Central, about 45 MB, once", KAFKA_VERSION)
    work = folder.with_name(f"{folder.name}.part")
    jars = work / "jars"
    shutil.rmtree(jars, ignore_errors=True)
    work.mkdir(exist_ok=True)
    (work / "pom.xml").write_text(_pom(), encoding="utf-8")
    command = [
        *(maven, "--batch-mode", "--quiet", "--strict-checksums", _MAVEN_PLUGIN),
        *(f"-Dmaven.repo.local={work / 'repository'}", f"-DoutputDirectory={jars}"),
        *("-DincludeScope=runtime", "-Dstyle.color=never"),
    ]
    for _ in range(_ATTEMPTS):
        try:
            done = subprocess.run(
                command,
                cwd=work,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_FETCH_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BrokerError(
                f"Maven has not fetched Apache Kafka in {_FETCH_SECONDS:g} seconds; the next attempt goes on"
            ) from None
        if done.returncode == 0:
            break
    else:
        raise BrokerError(f"Maven cannot fetch Apache Kafka: {_complaint(done.stdout)}")
    (jars / _MANIFEST).write_text(json.dumps(_sizes(jars)), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    jars.rename(folder)
    shutil.rmtree(work)


def _complaint(output: str) -> str:
    """Maven's first error: the others follow from it."""
    lines = [line.removeprefix("[ERROR] ") for line in output.splitlines() if line.startswith("[ERROR] ")]
    return lines[0][:500] if lines else (output.strip()[-500:] or "it says nothing")


def _sizes(folder: Path) -> Mapping[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*.jar"))}


def _is_whole(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(manifest == _sizes(folder))


def _pom() -> str:
    dependencies = "\n".join(
        f"    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, artifact, version in _DEPENDENCIES
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>narrawatch</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
