"""The guide of the management API: its blocks run as they stand, in bash with curl (P7)."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from app.campaigns.printing import print_waiting
from app.clock import server_now
from app.factory import create_app
from app.merchants import credentials
from app.merchants.staff import Role
from config.database import Database
from config.settings import PROJECT, Settings
from migrations.run import create_district
from tests.factories import make_staff

pytestmark = pytest.mark.vendor

DISTRICT = "managed"
PASSWORD = "correct horse battery"


@pytest.fixture
def base_url(settings: Settings, district: str) -> Iterator[str]:
    """The application over HTTP."""
    app = create_app(settings)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    app.extensions["plaza"].close()


@pytest.fixture
def worker(database: Database, owner_url: str) -> Iterator[None]:
    """Somebody who makes the codes that are asked for, as the clock does."""
    create_district(owner_url, DISTRICT, name="湖滨商圈", sandbox=False)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.2):
            print_waiting(lambda part: database.run(DISTRICT, part))

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_the_guide_of_the_management_api_runs_as_it_stands(
    base_url: str, database: Database, worker: None, tmp_path: Path
) -> None:
    with database.transaction(DISTRICT) as session:
        new = make_staff(session, roles=[Role.MARKETER], login="lin")
        now = server_now(session)
        uri = credentials.enrol(session, "lin", PASSWORD, by=new.public_id, now=now).uri
        code = credentials.one_time_password(uri, at=now)
    text = (PROJECT / "docs/manage.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)

    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c",
         "\n".join(blocks).replace("http://127.0.0.1:8000", base_url)],
        cwd=tmp_path,
        env={**os.environ, "DISTRICT": DISTRICT, "LOGIN": "lin", "PASSWORD": PASSWORD,
             "CODE": code},
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    me, tried, _, opened, batch, dry, imported = [
        json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")
    ]
    assert me["login"] == "lin"
    assert tried["discount_fen"] == 2_000
    assert opened["batch"]["batch"] == batch["batch"] == "SPRING"
    assert (dry["imported"], imported["imported"]) == (2, 2)
    assert len((tmp_path / "codes.txt").read_text().split()) == 50
