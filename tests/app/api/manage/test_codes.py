"""C5, C6, C20: codes over HTTP: made by the worker, fetched from any byte on, taken over."""

from functools import partial

import pytest
from werkzeug.test import TestResponse

from app import audit
from app.campaigns.printing import print_waiting
from app.members.sealing import coupon_keys
from app.tasks import TIMETABLE, run_job
from config.database import Database
from coupons import codes, issuing, runs
from tests.app.api.consoles import Console
from tests.app.api.manage import test_batches
from tests.app.api.phones import told
from tests.coupons.makers import use_up
from tests.factories import unique

batch = test_batches.batch
JOB = next(job for job in TIMETABLE if job.name == "print_codes")


def asked_for(console: Console, batch: str, name: str, count: int) -> str:
    """Have codes made and return the run."""
    body = {"name": name, "count": count}
    return str(told(console.post(f"batches/{batch}/code-runs", body), 202)["run_id"])


def test_codes_are_made_by_the_worker_and_fetched_as_the_command_writes_them(
    marketer: Console, database: Database, batch: str
) -> None:
    run_id = asked_for(marketer, batch, "r1", 100)
    waiting = told(marketer.get(f"code-runs/{run_id}"))
    early = told(marketer.get(f"code-runs/{run_id}/file"), 409)

    assert run_job(database, JOB, "test")

    ready = told(marketer.get(f"code-runs/{run_id}"))
    file = marketer.get(f"code-runs/{run_id}/file")
    assert (waiting["state"], waiting["made"], waiting["wanted"]) == ("making", 0, 100)
    assert early["code"] == "state-conflict"
    assert (ready["state"], ready["made"]) == ("ready", 100)
    assert file.content_type.startswith("text/plain")
    assert len(file.data) == ready["file_bytes"] == int(file.headers["Content-Length"])
    with database.transaction("test") as session:
        run = runs.get_run(session, batch=batch, name="r1", keys=coupon_keys(session))
        acts = [each.action for each in audit.list_records(session, about=run_id)]
    assert file.data == b"".join(run.lines(start=0))
    assert all(codes.is_ours(line) for line in file.text.split())
    assert acts == ["coupon.codes_fetch", "coupon.codes"]


def test_a_file_that_broke_off_goes_on_at_any_byte(
    marketer: Console, database: Database, batch: str
) -> None:
    run_id = asked_for(marketer, batch, "r1", 50)
    run_job(database, JOB, "test")
    path = f"code-runs/{run_id}/file"
    whole = marketer.get(path).data

    rest = marketer.get(path, headers={"Range": "bytes=333-"})
    part = marketer.get(path, headers={"Range": "bytes=20-41"})
    beyond = marketer.get(path, headers={"Range": f"bytes={len(whole)}-"})

    assert (rest.status_code, rest.data) == (206, whole[333:])
    assert rest.headers["Content-Range"] == f"bytes 333-{len(whole) - 1}/{len(whole)}"
    assert (part.status_code, part.data) == (206, whole[20:42])
    assert told(beyond, 416)["code"] == "bad-request"


def test_a_file_is_fetched_five_times_at_once_at_most(
    marketer: Console, database: Database, batch: str
) -> None:
    """Reliability §12: an export is not for copying all day."""
    run_id = asked_for(marketer, batch, "r1", 1)
    run_job(database, JOB, "test")

    statuses = [marketer.get(f"code-runs/{run_id}/file").status_code for _ in range(6)]

    assert statuses == [200] * 5 + [429]


def test_the_same_run_again_is_the_same_and_another_number_is_refused(
    marketer: Console, batch: str
) -> None:
    first = asked_for(marketer, batch, "r1", 100)
    path = f"batches/{batch}/code-runs"

    assert asked_for(marketer, batch, "r1", 100) == first
    assert told(marketer.post(path, {"name": "r1", "count": 99}), 409)["code"] == (
        "business-key-conflict"
    )
    too_many = told(marketer.post(path, {"name": "r2", "count": 101}), 409)
    assert "100" in too_many["detail"]
    assert marketer.post("batches/NOWHERE/code-runs", {"name": "r", "count": 1}).status_code == 404
    assert [each["run_id"] for each in told(marketer.get(path))["runs"]] == [first]


def test_a_worker_that_was_killed_leaves_a_run_that_the_next_one_completes(
    marketer: Console, database: Database
) -> None:
    print_waiting(partial(database.run, "test"))  # What other tests have asked for.
    opened = test_batches.asked_for(
        marketer, limits={"total": 25_000}, budget={"fen": {"all": 100_000}}
    )
    run_id = asked_for(marketer, opened["batch"]["batch"], "r1", 25_000)

    class Killed(Exception):
        pass

    portions = 0

    def dying(work: object) -> object:
        nonlocal portions
        portions += 1
        if portions == 3:
            raise Killed
        return database.run("test", work)  # type: ignore[arg-type]

    with pytest.raises(Killed):
        print_waiting(dying)  # type: ignore[arg-type]
    half = told(marketer.get(f"code-runs/{run_id}"))
    print_waiting(partial(database.run, "test"))

    assert (half["state"], half["made"]) == ("making", 10_000)
    assert told(marketer.get(f"code-runs/{run_id}"))["state"] == "ready"


def test_older_codes_are_foreseen_taken_over_and_called_back(
    marketer: Console, database: Database, batch: str
) -> None:
    """C6, C20"""
    prefix, path = unique("OLD"), f"batches/{batch}/imports"
    body = {"name": "legacy", "codes": [f"{prefix}-1", f"{prefix}-2", f"{prefix}-1", "\u0007"]}

    dry = told(marketer.post(path, {**body, "dry_run": True}))
    done = told(marketer.post(path, body))
    again = told(marketer.post(path, body))
    next_part = told(marketer.post(path, {**body, "codes": [f"{prefix}-9"], "first_line": 5}))

    assert (dry["dry_run"], dry["imported"], dry["duplicate"], dry["refused"]) == (True, 2, 1, 1)
    assert (done["imported"], done["duplicate"], done["refused"]) == (2, 1, 1)
    assert (again["imported"], again["already"]) == (0, 2)
    assert [each["verdict"] for each in done["verdicts"]] == [
        "imported", "imported", "duplicate", "refused",
    ]  # fmt: skip
    assert done["verdicts"][2]["where"] == "line 1"
    assert next_part["verdicts"] == [{"line": 5, "verdict": "imported", "where": ""}]
    run = told(marketer.get(f"batches/{batch}/code-runs"))["runs"][0]
    assert (run["state"], run["made"], run["wanted"]) == ("imported", 3, None)
    assert told(marketer.get(f"code-runs/{run['run_id']}/file"), 409)["code"] == "state-conflict"

    with database.transaction("test") as session:
        keys = coupon_keys(session)
        used = issuing.exchange(
            session, index=codes.index_of(keys, f"{prefix}-1".upper()), holder="mem_1"
        ).coupon
        use_up(session, used)
    void = told(marketer.post(f"batches/{batch}/void", {"run": "legacy", "reason": "失窃"}))
    assert void["used"] == [used]
    assert told(marketer.get(f"code-runs/{run['run_id']}"))["state"] == "void"


def test_lines_of_text_say_what_json_says(marketer: Console, batch: str) -> None:
    """C6: a file goes over as it is, its end of line whatever it is."""
    prefix, path = unique("OLD"), f"batches/{batch}/imports"
    told(marketer.post(path, {"name": "legacy", "codes": [f"{prefix}-1", f"{prefix}-2"]}))

    def sent(body: bytes, query: str) -> TestResponse:
        return marketer.client.post(
            f"/v1/manage/{path}?{query}", data=body, content_type="text/csv",
            headers={"Authorization": f"Bearer {marketer.token}",
                     "Idempotency-Key": unique("idem-key-")},
            environ_overrides={"REMOTE_ADDR": marketer.address},
        )  # fmt: skip

    lines = f"\ufeff{prefix}-1\r\n{prefix}-2\r\n{prefix}-3\r\n".encode()
    dry = told(sent(lines, "name=legacy&dry_run=true"))
    done = told(sent(lines, "name=legacy&first_line=1"))

    assert (dry["dry_run"], dry["already"], dry["imported"]) == (True, 2, 1)
    assert (done["dry_run"], done["already"], done["imported"]) == (False, 2, 1)
    assert told(sent(lines, "name=legacy&first_line=one"), 400)["errors"] == [
        {"pointer": "/first_line", "code": "wrong-type"}
    ]
    assert told(sent(lines, ""), 400)["errors"] == [{"pointer": "/name", "code": "required"}]
    assert told(sent(b"\xff", "name=legacy"), 400)["code"] == "bad-request"
    assert told(sent(b"", "name=legacy"), 400)["errors"] == [
        {"pointer": "/codes", "code": "wrong-length"}
    ]


def test_a_dry_run_leaves_no_row(marketer: Console, batch: str) -> None:
    body = {"name": "legacy", "codes": [unique("OLD")], "dry_run": True}

    told(marketer.post(f"batches/{batch}/imports", body))

    assert told(marketer.get(f"batches/{batch}/code-runs"))["runs"] == []


def test_a_code_of_another_batch_is_a_collision(marketer: Console, batch: str) -> None:
    other = test_batches.asked_for(marketer, limits={"total": 10})["batch"]["batch"]
    body = {"name": "legacy", "codes": [unique("OLD")]}
    told(marketer.post(f"batches/{other}/imports", body))

    refused = told(marketer.post(f"batches/{batch}/imports", body))

    assert refused["collision"] == 1
    assert refused["verdicts"][0]["where"] == f"{other} legacy"
