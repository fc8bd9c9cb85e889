"""The embedded servers: several users, kills, busy ports, and folders that are not ours."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis

from config import servers
from config.embedded import check_folder, server_user, start_failure
from config.errors import ServerRefused

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = servers.home_of(tmp_path_factory.mktemp("project"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def postgres_folder(home: Path) -> Path:
    return home / "postgres"


def test_the_last_user_stops_the_server(home: Path) -> None:
    first = servers.attach_valkey(home / "shared")
    second = servers.attach_valkey(home / "shared")

    first.close()
    answered = _ping(second.addresses["url"])
    second.close()

    assert first.addresses == second.addresses
    assert answered
    assert not _ping(second.addresses["url"])


def test_a_killed_user_counts_as_gone_and_loses_nothing(home: Path) -> None:
    user = _user_in_a_process(home / "killed")
    url = _first_line(user)
    with redis.Redis.from_url(url) as client:
        client.set("kept", "1")

    user.kill()
    user.communicate()
    assert _within(10, lambda: not _ping(url))

    with (
        servers.attach_valkey(home / "killed") as again,
        redis.Redis.from_url(again.addresses["url"]) as client,
    ):
        assert client.get("kept") == b"1"


def test_commands_at_once_share_one_server(home: Path) -> None:
    def attach(_: int) -> servers.Running:
        return servers.attach_valkey(home / "rush")

    with ThreadPoolExecutor(4) as threads:
        users = list(threads.map(attach, range(4)))
    keepers = {user.addresses["keeper_pid"] for user in users}
    for user in users:
        user.close()

    assert len(keepers) == 1


def test_a_port_taken_by_a_stranger_is_left_to_him(home: Path) -> None:
    with servers.attach_valkey(home / "port") as running:
        port = _port(running.addresses["url"])

    with (
        socket.create_server(("127.0.0.1", port)),
        servers.attach_valkey(home / "port") as moved,
    ):
        assert _port(moved.addresses["url"]) != port
        assert _ping(moved.addresses["url"])


def test_postgres_is_durable_and_asks_for_a_password(postgres_folder: Path) -> None:
    with servers.attach_postgres(postgres_folder) as running:
        url = running.addresses["superuser_url"]
        with psycopg.connect(url) as connection:
            shown = {
                name: connection.execute(f"SHOW {name}").fetchone()
                for name in ("fsync", "data_checksums", "full_page_writes", "synchronous_commit")
            }
            places = connection.execute(
                "SELECT current_setting('listen_addresses'),"
                " current_setting('unix_socket_directories')"
            ).fetchone()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url.replace("postgres:", "postgres:wrong", 1))

    assert set(shown.values()) == {("on",)}
    assert places == ("127.0.0.1", "")
    assert (postgres_folder / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_postgres_comes_back_after_a_kill_of_its_process(postgres_folder: Path) -> None:
    """G1, G6: what was committed is there again, with no manual step."""
    with servers.attach_postgres(postgres_folder) as running:
        url = running.addresses["owner_url"]
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS acknowledged AS SELECT 7 AS n")
        os.kill(_postmaster(postgres_folder), signal.SIGKILL)

        assert _within(20, lambda: _read(url) == (7,))


def test_postgres_starts_again_after_a_kill_of_its_keeper(postgres_folder: Path) -> None:
    with servers.attach_postgres(postgres_folder) as running:
        with psycopg.connect(running.addresses["owner_url"]) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS acknowledged AS SELECT 7 AS n")
        os.kill(int(running.addresses["keeper_pid"]), signal.SIGKILL)
        assert _within(5, lambda: not running.alive())

        with servers.attach_postgres(postgres_folder) as again:
            found = _read(again.addresses["owner_url"])

    assert found == (7,)


def test_a_stale_pid_file_that_names_a_stranger_is_no_obstacle(postgres_folder: Path) -> None:
    with servers.attach_postgres(postgres_folder):
        pass
    (postgres_folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")

    with servers.attach_postgres(postgres_folder) as running:
        assert _read(running.addresses["owner_url"], "SELECT 1") == (1,)


def test_a_folder_of_another_version_is_refused_and_left_alone(home: Path) -> None:
    folder = home / "old"
    (folder / "data").mkdir(parents=True)
    user = server_user()
    if user is not None:
        os.chown(folder / "data", user.pw_uid, user.pw_gid)
    (folder / "data" / "PG_VERSION").write_text("15\n")
    (folder / "secrets.json").write_text(
        json.dumps({"postgres": "a", "plaza_owner": "b", "plaza_app": "c"})
    )

    with pytest.raises(ServerRefused, match=r"属于 PostgreSQL 15(.|\n)*of PostgreSQL 15"):
        servers.attach_postgres(folder)

    assert [path.name for path in (folder / "data").iterdir()] == ["PG_VERSION"]


def test_a_folder_of_another_owner_is_refused() -> None:
    with pytest.raises(ServerRefused, match=r"属于用户 0(.|\n)*belongs to user 0"):
        check_folder(Path("/etc"), server="PostgreSQL", user=server_user())


def test_a_full_disk_is_named(home: Path) -> None:
    refusal = start_failure("PostgreSQL", "FATAL: No space left on device", home / "server.log")

    assert "磁盘空间不足" in str(refusal)
    assert "the disk is full" in str(refusal)


def test_an_unknown_version_is_refused(home: Path) -> None:
    with pytest.raises(ServerRefused, match=r"\[16, 18\]"):
        servers.attach_postgres(home / "new", version=99)


def _user_in_a_process(folder: Path) -> subprocess.Popen[str]:
    program = (
        "import sys, time; from pathlib import Path; from config import servers\n"
        "running = servers.attach_valkey(Path(sys.argv[1]))\n"
        "print(running.addresses['url'], flush=True); time.sleep(60)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _ping(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, retry=None) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _read(url: str, query: str = "SELECT n FROM acknowledged") -> object:
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute(query).fetchone()
    except psycopg.OperationalError as error:
        return error


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def _postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])
