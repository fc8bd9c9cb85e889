"""What `plaza bench http` sends is what a till would send, and a bad run gives no figure."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.errors import StateConflict
from app.factory import create_app
from app.lab import bench_http, bench_wrk
from config.settings import Settings

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def counters(settings: Settings) -> list[bench_http.Counter]:
    return bench_http.open_district(settings)


@pytest.mark.parametrize(("name", "status"), [("order", 201), ("quote", 201), ("batch100", 200)])
def test_requests_written_down_are_answered_like_a_tills(
    settings: Settings, counters: list[bench_http.Counter], tmp_path: Path, name: str, status: int
) -> None:
    app = create_app(settings)
    before = bench_http.prove(settings)
    bench_wrk.write(tmp_path / "two", bench_http.requests_of(name, counters, ADDRESS, 2))

    answers = [send(app.test_client(), each) for each in read(tmp_path / "two")]

    assert [answer[0] for answer in answers] == [status, status]
    sold = {"order": 2, "quote": 0, "batch100": 200}[name]
    assert bench_http.prove(settings) - before == sold
    if name == "batch100":
        assert b'"refused":0' in answers[0][1]
    app.extensions["plaza"].close()


def read(path: Path) -> list[bytes]:
    """Return the requests as the script of wrk reads them."""
    rest, found = path.read_bytes(), []
    while rest:
        size, _, rest = rest.partition(b"\n")
        found.append(rest[: int(size)])
        rest = rest[int(size) + 1 :]
    return found


def send(client: FlaskClient, request: bytes) -> tuple[int, bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    answer = client.open(path, method=method, data=body, headers=headers)
    return answer.status_code, answer.get_data()


GOOD = {"requests": 200, "seconds": 2.0, "p50_ms": 4.0, "p99_ms": 9.0, "refused": 0, "lost": 0,
        "missing": 0, "refusal": ""}  # fmt: skip


def test_a_run_is_counted_in_requests_a_second() -> None:
    load = bench_wrk.judge(GOOD, client_cpu=0.2)

    assert (load.rate, load.p99_ms / load.p50_ms) == (100, 2.25)


@pytest.mark.parametrize("trouble", ["refused", "lost", "missing"])
def test_a_run_with_trouble_counts_for_nothing(trouble: str) -> None:
    with pytest.raises(StateConflict, match=trouble):
        bench_wrk.judge({**GOOD, trouble: 1}, client_cpu=0.2)


def test_a_run_that_wrk_held_up_counts_for_nothing() -> None:
    """Decision 34: a client-bound ratio is refused."""
    with pytest.raises(StateConflict, match="busy"):
        bench_wrk.judge(GOOD, client_cpu=0.97)


def test_without_wrk_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(StateConflict, match="apt-get install wrk"):
        bench_wrk.find_wrk(str(tmp_path))
