"""Phones in a race ask again until they are answered, each under its own key (reliability §0)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.lab.races import running
from app.lab.races.phones import Act, PhonesDoor
from app.lab.races.running import Ask, Verdict

Reply = tuple[int, dict[str, str], bytes, int]
"""A status, headers, the body that is sent, and the length that is promised."""

LOST: Reply = (201, {}, b"{", 100)


@dataclass
class Server:
    """Answers each request with the next of `answers`, and remembers the keys."""

    answers: list[Reply]
    keys: list[str | None] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(answers: list[Reply]) -> Iterator[Server]:
    said = Server(answers=answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            said.keys.append(self.headers["Idempotency-Key"])
            status, headers, body, length = said.answers.pop(0)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said.address = f"http://127.0.0.1:{server.server_port}"
        yield said
        server.shutdown()


def problem(status: int, code: str, wait: str = "0") -> Reply:
    body = f'{{"code": "{code}"}}'.encode()
    return status, {"Retry-After": wait}, body, len(body)


def raced(server: Server, act: Act) -> tuple[Verdict, int]:
    """Return what one claimant ended with, and how many errors the door counted."""
    door = PhonesDoor(address=server.address, server=0, act=act, tokens=["token"])
    (outcome,) = running.run(door, [Ask(party=0, name="batch")])
    return outcome.verdict, door.errors


def test_a_phone_whose_answer_was_cut_off_asks_again_under_the_same_key() -> None:
    with serving([LOST, problem(201, "")]) as server:
        assert raced(server, Act.CLAIM) == (Verdict.ACCEPTED, 0)

    assert len(server.keys) == 2
    assert server.keys[0] == server.keys[1]


def test_who_is_told_to_come_again_does_and_an_error_is_counted() -> None:
    answers = [
        problem(429, "rate-limited"),
        problem(409, "idempotency-in-flight"),
        problem(503, "overloaded"),
        problem(409, "sold-out"),
    ]
    with serving(answers) as server:
        assert raced(server, Act.CLAIM) == (Verdict.REFUSED, 1)

    assert len(set(server.keys)) == 1


@pytest.mark.parametrize(
    ("act", "code"),
    [(Act.CLAIM, "not-found"), (Act.EXCHANGE, "sold-out"), (Act.CLAIM, "forbidden")],
)
def test_another_refusal_than_that_of_who_comes_too_late_fails_the_race(
    act: Act, code: str
) -> None:
    with serving([problem(409, code)]) as server:
        assert raced(server, act) == (Verdict.FAILED, 0)
