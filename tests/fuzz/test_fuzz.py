"""E20, G10: whatever the API's description allows or forbids is answered as it says.

Schemathesis makes the requests: examples, edges of every schema, random ones, and chains of calls
that hand ids on. `make fuzz CASES=20000` asks for more.
"""

import base64
import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from apiflask import APIFlask
from werkzeug.serving import make_server

from app.clock import server_now
from app.factory import create_app
from app.members.purposes import Purpose, current_text
from app.merchants import staff_sessions
from app.tasks import audit_in_full
from config.database import Database, new_id
from config.settings import PROJECT, Settings
from coupons import templates
from coupons.presets import PRESETS
from migrations import run
from tests.app.api.tills import Till, open_till
from tests.factories import make_staff

DISTRICT = "fuzz"
FOLDER = Path(__file__).parent

VALUES = {
    "code": "FUZZ", "title_zh": "满300减50", "title_en": "50 off 300", "fen": 5_000,
    "min_fen": 30_000, "days": 30, "total": 100,
}  # fmt: skip

Environ = dict[str, Any]
Start = Callable[..., Any]


@pytest.fixture
def app(settings: Settings, owner_url: str) -> Iterator[APIFlask]:
    """The application, in a district of its own that shows sign-in codes."""
    run.create_district(owner_url, DISTRICT, name="模糊", sandbox=True)
    made = create_app(dataclasses.replace(settings, shows_codes=True))
    yield made
    made.extensions["plaza"].close()
    run.drop_district(owner_url, DISTRICT)


@pytest.fixture
def till(app: APIFlask, database: Database) -> Till:
    return open_till(app.test_client(), database, DISTRICT)


@pytest.fixture
def url(app: APIFlask, till: Till, redis_url: str) -> Iterator[str]:
    """The application over HTTP, without limits: those are tested elsewhere."""
    connection = redis.Redis.from_url(redis_url)

    def unlimited(environ: Environ, start: Start) -> Iterable[bytes]:
        connection.delete(
            f"plaza:limit:{DISTRICT}:store:{till.store.id}",
            f"plaza:limit:{DISTRICT}:store:{till.store.id}:identify",
            f"plaza:limit:{DISTRICT}:store:{till.store.id}:make_member_code",
            f"plaza:limit:{DISTRICT}:store:{till.store.id}:upload_orders",
        )
        return app.wsgi_app({**environ, "REMOTE_ADDR": new_id("ip")}, start)

    server = make_server("127.0.0.1", 0, unlimited, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    connection.close()


def _consoles(database: Database) -> list[str]:
    """Sign twenty of the staff in: one alone would be told to wait, and one leaves."""
    tokens = []
    with database.transaction(DISTRICT) as session:
        for _ in range(20):
            opened = staff_sessions.open_for(session, make_staff(session), now=server_now(session))
            tokens.append(opened.token)
    return tokens


def test_the_api_keeps_to_its_description(
    url: str, till: Till, app: APIFlask, database: Database, tmp_path: Path
) -> None:
    cases = int(os.environ.get("PLAZA_TEST_CASES", "0"))
    operations = sum(hasattr(view, "contract") for view in app.view_functions.values())
    consoles = _consoles(database)
    given = {
        "url": url,
        "district": DISTRICT,
        "key_id": till.key_id,
        "secret": base64.b64encode(till.secret).decode(),
        "version": current_text(Purpose.MEMBERSHIP).version,
        "consoles": consoles[1:],
        "leaver": consoles[0],
        "template": templates.dump(PRESETS["money-off"](**VALUES)),
        "values": VALUES,
    }

    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file", FOLDER / "schemathesis.toml",
            "run", f"{url}/openapi.json", "--max-examples", str(max(cases // operations, 2)),
        ],
        cwd=tmp_path,  # It keeps notes there.
        env={
            **os.environ,
            "PLAZA_TEST_FUZZ": json.dumps(given),
            "PYTHONPATH": str(PROJECT),
            "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    with database.transaction(DISTRICT, repeatable_read=True) as session:
        assert audit_in_full(session) == []
