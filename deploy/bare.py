"""Kafka and PostgreSQL on a machine without containers: real servers, on loopback, each with its data in one folder.

A server dies with the thread that started it, however that went: start it from one that lives as long as it shall.

    python -m deploy.bare fetch       Kafka's jars, by Maven, once
    python -m deploy.bare run SITE    both, and a copy of the site that uses them
"""

import base64
import contextlib
import ctypes
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from kafka import KafkaAdminClient  # type: ignore[import-untyped]
from psycopg import sql

from deploy.cli.folders import data_of
from deploy.cli.kafka import init
from deploy.run import free_port, out
from deploy.run import run as supervise
from vorab.errors import ConfigurationError

POM = Path(__file__).with_name("kafka.xml")
ARCHIVE = "classes.jsa"
CHECKPOINT = "00000000000000000000-0000000000.checkpoint"
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 15.0
_LIBC = ctypes.CDLL(None)

#: Quick to start and small; C1 alone costs throughput, so a benchmark leaves it out.
JVM = ["-XX:+UseSerialGC", "-Xss512k", "-Xmx256m"]
ONLY_C1 = "-XX:TieredStopAtLevel=1"

LOGGING = """\
status=error
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
"""


def jars() -> Path:
    """The folder of Kafka's jars."""
    return Path(os.environ.get("VORAB_KAFKA_JARS") or Path(__file__).parents[1] / ".venv/kafka").resolve()


def absent() -> str:
    """What is missing on this machine for both servers, and how to get it; "" = nothing."""
    return ", ".join(filter(None, [Kafka.absent(), Postgres.absent()]))


def postgres_programs() -> Path | None:
    """The folder of initdb and postgres, the newest there is; None = not on this machine."""
    found = shutil.which("postgres")
    by_debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    places = [Path(found).resolve()] if found else by_debian[::-1]
    return next((place.parent for place in places if place.with_name("initdb").exists()), None)


def fetch() -> None:
    """Kafka's jars are there, with the file that formats a broker's folder.  Raises ConfigurationError."""
    folder = jars()
    if _are_fetched(folder):
        return
    maven = shutil.which("mvn")
    if not maven or not shutil.which("java"):
        raise ConfigurationError("Kafka's jars come by Maven: apt install default-jre-headless maven")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="kafka-") as place:
        fresh = Path(place) / "jars"
        copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"]
        _finish([maven, "-B", "-q", "-C", "-f", str(POM), *copy])
        shutil.copy(_format(fresh, Path(place)), fresh / CHECKPOINT)
        shutil.copy(POM, fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
        _archive(Path(place))


def _are_fetched(folder: Path) -> bool:
    """Also of the versions that we want."""
    there = folder / POM.name
    return there.exists() and there.read_bytes() == POM.read_bytes()


def _format(fresh: Path, place: Path) -> Path:
    """What Kafka's own tool writes into a new folder beside its name: the same for every broker of this version."""
    broker = Broker(0, place / "broker", 1, 2)
    broker.write([broker])
    tool = ["kafka.tools.StorageTool", "format", "-t", _uuid(), "-c", str(broker.settings)]
    _finish([*_java(fresh), "-Xmx64m", *tool])
    return broker.metadata / CHECKPOINT


def _archive(place: Path) -> None:
    """The classes that a broker loads, as one file of the JVM's: with it a start costs half the processor time."""
    once = Kafka(place / "once")
    once.jvm.append(f"-XX:ArchiveClassesAtExit={place / ARCHIVE}")
    once.start()
    if once.stop() and (place / ARCHIVE).exists():
        (place / ARCHIVE).rename(jars() / ARCHIVE)


def _finish(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)  # noqa: S603 - programs of this machine
    if done.returncode:
        raise ConfigurationError(f"{Path(argv[0]).name} failed: {(done.stdout + done.stderr).strip()[-2000:]}")


def _java(folder: Path) -> list[str]:
    return [shutil.which("java") or "java", "-cp", f"{folder}/*"]


def _uuid() -> str:
    """As Kafka writes them: 16 bytes in 22 characters."""
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")


def free_ports(count: int) -> list[int]:
    """Different ones, below those that the system gives to clients: still free when a killed server comes back."""
    ports: list[int] = []
    while len(ports) < count:
        port = free_port(20_000 + secrets.randbelow(12_000))
        if port not in ports:
            ports.append(port)
    return ports


@dataclass
class Process:
    """One server of ours, started, watched and ended by its own pid."""

    argv: list[str]
    log: Path
    orphaned: signal.Signals = signal.SIGKILL  #: what the kernel sends it when we are gone (prctl(2), Linux)
    user: str | None = None
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(  # noqa: S603 - a program found on this machine
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for who started it
                preexec_fn=lambda: _LIBC.prctl(1, self.orphaned),
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )

    def has_ended(self) -> bool:
        return self.running is None or self.running.poll() is not None

    def end(self, number: signal.Signals) -> bool:
        """By this signal; one that does not heed it in time is killed, and False."""
        if self.running is None:
            return True
        running, self.running = self.running, None
        running.send_signal(number)
        try:
            running.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            return False
        return True

    def failed(self, why: str) -> ConfigurationError:
        said = self.log.read_text(errors="replace").strip()[-2000:]
        return ConfigurationError(f"{Path(self.argv[0]).name} {why}: {said or 'it said nothing'}")


# --- Kafka ------------------------------------------------------------------------------------------------------------


@dataclass
class Broker:
    """One broker, which is a controller as well."""

    number: int
    folder: Path
    port: int
    controller_port: int
    process: Process | None = None

    @property
    def settings(self) -> Path:
        return self.folder / "server.properties"

    @property
    def metadata(self) -> Path:
        return self.folder / "data/__cluster_metadata-0"

    def write(self, brokers: list["Broker"]) -> None:
        """Its settings; those of durability as in production, those of time as a quick takeover needs them."""
        copies, in_sync = min(3, len(brokers)), min(2, len(brokers))
        settings: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "controller.quorum.voters": ",".join(f"{one.number}@127.0.0.1:{one.controller_port}" for one in brokers),
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": 4,
            "message.max.bytes": 4 << 20,
            "replica.fetch.max.bytes": 4 << 20,
            "group.min.session.timeout.ms": 1000,  # by default a shorter session than 6 s is refused
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 3000,  # a killed broker is let in again only when its session has ended
            "broker.heartbeat.interval.ms": 500,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.threads": 1,
            "log.cleaner.dedupe.buffer.size": 8 << 20,  # by default half of our heap
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        (self.folder / "log4j2.properties").write_text(LOGGING)

    def format(self, cluster: str) -> None:
        """What the tool of Kafka does in a second, without it; a folder that has been in use stays as it is."""
        identity = self.folder / "data/meta.properties"
        if identity.exists():
            return
        self.metadata.mkdir(parents=True, exist_ok=True)
        shutil.copy(jars() / CHECKPOINT, self.metadata)
        identity.write_text(f"version=1\ncluster.id={cluster}\nnode.id={self.number}\ndirectory.id={_uuid()}\n")

    def answers(self) -> bool:
        """To the question which versions it speaks: a broker serves then, and is one of the cluster."""
        question = struct.pack(">hhih", 18, 0, 1, -1)  # ApiVersions, version 0, correlation 1, no client id
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(struct.pack(">i", len(question)) + question)
            head = connection.recv(10, socket.MSG_WAITALL)
            return len(head) == 10 and struct.unpack(">iih", head)[1:] == (1, 0)
        return False


class Kafka:
    """Apache Kafka of one or three brokers, numbered from 0.  A folder that has been in use keeps what it holds."""

    def __init__(self, folder: Path, brokers: int = 1, *, fast: bool = False) -> None:
        """`fast`: optimised for throughput, and slower to start."""
        ports = free_ports(2 * brokers)
        self._folder = folder.resolve()
        self.jvm = [*JVM, *([] if fast else [ONLY_C1])]  #: options of the Java machine
        self._brokers = [
            Broker(number, self._folder / f"broker-{number}", ports[2 * number], ports[2 * number + 1])
            for number in range(brokers)
        ]

    @staticmethod
    def absent() -> str:
        """What is missing on this machine, and how to get it; "" = nothing."""
        missing = [] if shutil.which("java") else ["Java 17 (apt install default-jre-headless)"]
        if not _are_fetched(jars()):
            maven = "" if shutil.which("mvn") else "apt install maven, then "
            missing.append(f"the jars of Kafka ({maven}python -m deploy.bare fetch)")
        return ", ".join(missing)

    @property
    def servers(self) -> list[str]:
        return [f"127.0.0.1:{broker.port}" for broker in self._brokers]

    def start(self) -> None:
        """Returns when all serve.  Raises ConfigurationError."""
        if not _are_fetched(jars()):
            fetch()
        cluster = _uuid()
        for broker in self._brokers:
            broker.write(self._brokers)
            broker.format(cluster)
            broker.process = Process(self._argv(broker), self._folder / f"broker-{broker.number}.log")
        try:
            for broker in self._brokers:
                self._process(broker).start()
            for broker in self._brokers:
                self._await(broker)
            self._await_cluster()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> bool:
        """One after the other; the last of three is killed: it would wait for a quorum to say goodbye to.

        True if each ended in its own time.
        """
        ended = True
        for broker in self._brokers:
            alone = len(self._brokers) > 1 and broker is self._brokers[-1]
            if broker.process:
                ended &= broker.process.end(signal.SIGKILL if alone else signal.SIGTERM)
        return ended

    def kill(self, number: int = 0) -> None:
        """SIGKILL; what it has acknowledged it must know when it comes back."""
        self._process(self._brokers[number]).end(signal.SIGKILL)

    def restart(self, number: int = 0) -> None:
        """On the same port.  After a kill it takes some 5 s: the old session must end first."""
        process = self._process(self._brokers[number])
        process.end(signal.SIGTERM)
        process.start()
        self._await(self._brokers[number])

    def leader(self, topic: str, partition: int) -> int:
        """The number of the broker that leads it, as the others know, once they know one."""
        found: list[int] = []

        def known() -> bool:
            described = admin.describe_topics([topic])[0]["partitions"]
            found[:] = [one["leader_id"] for one in described if one["partition_index"] == partition]
            return found not in ([], [-1])

        with contextlib.closing(self._admin()) as admin:
            wait(known, self._process(self._brokers[0]))
        return found[0]

    def _admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(bootstrap_servers=self.servers)

    def _argv(self, broker: Broker) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={broker.folder}/log4j2.properties"
        archive = jars() / ARCHIVE
        known = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
        return [*_java(jars()), *known, *self.jvm, logging, "kafka.Kafka", str(broker.settings)]

    def _process(self, broker: Broker) -> Process:
        assert broker.process, "never started"
        return broker.process

    def _await(self, broker: Broker) -> None:
        process = self._process(broker)
        wait(lambda: broker.answers() or process.has_ended(), process)
        if process.has_ended():
            raise process.failed("ended")

    def _await_cluster(self) -> None:
        """A broker may answer before the others know it: a topic made then would find too few."""
        if len(self._brokers) == 1:
            return
        with contextlib.closing(self._admin()) as admin:
            everybody = len(self._brokers)
            wait(
                lambda: len(admin.describe_cluster()["brokers"]) == everybody,
                self._process(self._brokers[0]),
            )


def wait(until: Callable[[], bool], process: Process) -> None:
    """Raises ConfigurationError with what the process said."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not until():
        if time.monotonic() > deadline:
            raise process.failed(f"is not ready after {READY_WITHIN_S:g} s")
        time.sleep(0.02)


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


class Postgres:
    """PostgreSQL with one user and one database, both named vorab.  A folder that has been in use keeps what it holds.

    It refuses to run as root, so root starts it as the system's user postgres, who must be able to reach the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._port = free_ports(1)[0]
        self._user = "postgres" if os.geteuid() == 0 else None
        self._process: Process | None = None

    @staticmethod
    def absent() -> str:
        """How to get it; "" = it is on this machine."""
        return "" if postgres_programs() else "PostgreSQL (apt install postgresql)"

    @property
    def url(self) -> str:
        return self.url_of("vorab")

    def url_of(self, database: str) -> str:
        """With the password: not for a log.  Only once it has been started."""
        password = (self._folder / "password").read_text()
        return f"postgresql://vorab:{password}@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Returns when it answers and the database is there.  Raises ConfigurationError."""
        programs = postgres_programs()
        if not programs:
            raise ConfigurationError(f"not on this machine: {self.absent()}")
        data = self._folder / "data"
        if not (data / "PG_VERSION").exists():
            self._create(programs, data)
        settings = {"listen_addresses": "127.0.0.1", "port": self._port, "unix_socket_directories": ""}
        argv = [str(programs / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        self._process = Process(argv, self._folder / "log", signal.SIGINT, self._user)
        self.restart()
        self.create_database("vorab")

    def stop(self) -> None:
        """At once, but in order: who is connected loses what he has not committed."""
        if self._process:
            self._process.end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL; what was committed is there when it comes back."""
        if self._process:
            self._process.end(signal.SIGKILL)

    def restart(self) -> None:
        """On the same port.  Raises ConfigurationError."""
        self.stop()
        process = self._process
        assert process, "never started"
        wait(lambda: self._serves(process), process)

    def create_database(self, name: str) -> None:
        """Empty, if it is not there."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _create(self, programs: Path, data: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = self._folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(16))
        if self._user:
            for path in (self._folder, password):
                shutil.chown(path, self._user, self._user)
        how = ["--username=vorab", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C"]
        made = Process([str(programs / "initdb"), "-D", str(data), *how], self._folder / "log", user=self._user)
        made.start()
        wait(made.has_ended, made)
        if not (data / "PG_VERSION").exists():
            raise made.failed("failed")

    def _serves(self, process: Process) -> bool:
        """Started again until it stays: for a moment the children of a killed one still hold its memory."""
        if process.has_ended():
            process.start()
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
            return True
        return False


# --- a site on both ---------------------------------------------------------------------------------------------------


def run(site: Path, data: Path) -> int:
    """`vorab run` on a copy of the site folder whose site.yaml names a Kafka and a PostgreSQL of ours.

    Returns when it has been told to stop, and they are stopped too.  Raises ConfigurationError.
    """
    if missing := absent():
        raise ConfigurationError(f"not on this machine: {missing}")
    data.mkdir(parents=True, exist_ok=True)
    os.umask(0o077)
    kafka, postgres = Kafka(data / "kafka"), Postgres(_for_postgres(data))
    with contextlib.ExitStack() as started:
        for name, server in (("Kafka", kafka), ("PostgreSQL", postgres)):
            out.print(f"starting {name} …")
            began = time.monotonic()
            server.start()
            started.callback(server.stop)
            out.print(f"  ready after {time.monotonic() - began:.1f} s")
        copy = _copied(site, data / "site", kafka.servers, postgres.url)
        init(copy)
        return supervise(copy, data / "run")


def _copied(site: Path, copy: Path, servers: list[str], store: str) -> Path:
    """The site as it is, and three lines more."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(site, copy)
    copy.chmod(0o700)
    (copy / "store").write_text(store)
    with (copy / "site.yaml").open("a") as lines:
        lines.write(f"\nlog: {{ kafka: {json.dumps(servers)} }}\nstore: file:store\nworkers: 2\n")
    return copy


def _for_postgres(data: Path) -> Path:
    """In the data folder; where the user postgres cannot reach that, in his home, and new whenever Kafka's is new."""
    if os.geteuid() != 0:
        return data / "postgres"
    for ours in (data.parent, data):
        ours.chmod(ours.stat().st_mode | 0o011)  # he may pass
    if all(folder.stat().st_mode & 0o001 for folder in data.resolve().parents):
        return data / "postgres"
    home = Path(pwd.getpwnam("postgres").pw_dir) / f"vorab-{data.name}"
    if not (data / "kafka").exists():
        shutil.rmtree(home, ignore_errors=True)
    return home


def main(arguments: list[str]) -> int:
    match arguments:
        case ["fetch"]:
            fetch()
            return 0
        case ["run", folder]:
            site = Path(folder)
            return run(site, Path(f"{data_of(site, None)}-distributed"))
        case _:
            raise ConfigurationError("python -m deploy.bare fetch, or: python -m deploy.bare run SITE")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ConfigurationError as error:
        sys.exit(f"vorab: {error}")
