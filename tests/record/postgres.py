"""A PostgreSQL server of the tests' own: made in a folder, started, stopped and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

PATIENCE_SECONDS = 60


def program(name: str) -> str:
    """One of PostgreSQL's programs, which Debian keeps out of the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, folders)]))
    assert found, f"{name} is not installed; on Debian: apt-get install postgresql"
    return found


def _user() -> dict[str, int]:
    """As whom to run it: the superuser may not."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise AssertionError("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'")


class Server:
    """A server on a port of this machine, with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = _user()
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            os.chown(folder, self._user["user"], self._user["group"])
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        command = [program("initdb"), "-D", folder / "data", "-U", "etude", "-A", "trust", "-E", "UTF8"]
        command += ["--locale=C", "--no-sync"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **self._user)

    def url(self, database: str) -> str:
        return f"postgresql://etude@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        # -F: what is lost in a power failure is not tested.
        command = [program("postgres"), "-D", "data", "-p", str(self.port), "-k", str(self._folder), "-F"]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=50"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                **self._user,
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while subprocess.run(
            [*self._client("pg_isready")], stdout=subprocess.DEVNULL, check=False
        ).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once, as when its machine goes down."""
        assert self._process is not None
        # SIGQUIT is its immediate shutdown: it ends all of its own processes.
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE_SECONDS)

    def create(self, database: str, *options: str) -> str:
        """Make a database, and return its URL."""
        subprocess.run([*self._client("createdb"), *options, database], check=True)
        return self.url(database)

    def psql(self, database: str, sql: str) -> str:
        """Ask as another program would."""
        command = [*self._client("psql"), "-d", database, "-v", "ON_ERROR_STOP=1", "-Atqc", sql]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _client(self, name: str) -> list[str]:
        return [program(name), "-h", "127.0.0.1", "-p", str(self.port), "-U", "etude"]


@contextmanager
def running_server() -> Iterator[Server]:
    """A server that runs within the block."""
    with tempfile.TemporaryDirectory(prefix="etude-postgresql-") as name:
        folder = Path(name)
        server = Server(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
