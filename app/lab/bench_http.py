"""Orders, quotes and uploads over HTTP, beside a bare Flask in the same gunicorn.

A district of its own has twenty stores, each with a key, and four hundred members, each known at
one till. Requests are signed beforehand, as so many tills would; every order has nine lines, earns
and is stored (decision 34).
"""

import json
import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from plaza_client.signing import authorization, string_to_sign
from sqlalchemy import text

from app.lab import bench_sale, bench_wrk
from app.lab.bench_wrk import CONNECTIONS, Load
from app.members import enrolment, presence
from app.members.arrivals import NewMember
from app.members.identification import list_by_cards
from app.members.models import Source
from app.members.presence import Mode
from app.merchants import keys, registration
from app.merchants.directory import get_directory
from app.wiring import build
from config.database import Database, new_id
from config.settings import Settings
from ledger import upkeep
from migrations import run

DISTRICT = "bench-http"
STORES = 20
MEMBERS_EACH = 20
LINES = 9
BATCH = 100
DEMANDS = {"order": "≥ 0.03", "quote": "≥ 0.05", "batch100": "≥ 3", "tail": "≤ 6"}
MOST = {"order": 0.3, "quote": 0.4, "batch100": 0.02}  # of hello's rate: no row comes near
_SHARE = 0.5
_TRIES = 4

Lines = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Counter:
    """A store at its till: its key, and its members by identification and by phone."""

    code: str
    key_id: str
    secret: bytes
    identifications: list[str]
    phones: list[str]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Ratios to hello, but `batch100`: to `order`, in orders; and `tail`: p99 to p50."""

    hello_rps: float
    http: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where the server listens, how long to load it, and the counters that do."""

    wrk: str
    address: str
    folder: Path
    seconds: float
    counters: list[Counter]
    tell: Callable[[str], None]

    def load(self, name: str, *, count: int, pause_ms: float = 0) -> Load:
        """Run one kind of request; `count` are written down."""
        path = self.folder / f"{name}.requests"
        bench_wrk.write(path, requests_of(name, self.counters, self.address, count))
        load = bench_wrk.send(
            self.wrk,
            path,
            address=self.address,
            seconds=self.seconds,
            pause_ms=pause_ms,
            again=name == "hello",
        )
        self.tell(
            f"{name:<9}{load.rate:8.1f}/s  p50 {load.p50_ms:7.1f} ms  p99 {load.p99_ms:7.1f} ms"
            f"  wrk {load.client_cpu:4.0%}"
        )
        return load

    def enough(self, rate: float) -> int:
        """Return how many requests a run at such a rate surely does not use up."""
        return round(rate * self.seconds * 1.6) + 4 * CONNECTIONS


def measure(bench: Bench, *, rounds: int) -> Figures:
    """Measure every row in so many rounds; the medians count."""
    # More than will be sent: what is cold is slower than what follows.
    hello = bench.load("hello", count=1).rate
    counts = {name: bench.enough(hello * share) for name, share in MOST.items()}
    for name, count in counts.items():
        bench.load(name, count=count)
    found: dict[str, list[float]] = {name: [] for name in ("order", "quote", "batch100", "tail")}
    hellos = []
    for _ in range(rounds):
        before = bench.load("hello", count=1).rate
        rates = {name: bench.load(name, count=count).rate for name, count in counts.items()}
        after = bench.load("hello", count=1).rate
        hellos += [before, after]
        for name in ("order", "quote"):
            found[name].append(rates[name] / statistics.mean([before, after]))
        found["batch100"].append(rates["batch100"] * BATCH / rates["order"])
        calm = _calm(bench, peak=rates["order"])
        found["tail"].append(calm.p99_ms / calm.p50_ms)
    return Figures(
        hello_rps=statistics.median(hellos),
        http={name: statistics.median(ratios) for name, ratios in found.items()},
    )


def _calm(bench: Bench, *, peak: float) -> Load:
    """Load with orders at half of the peak rate, give or take a tenth of the peak."""
    wanted = peak * _SHARE
    pause = CONNECTIONS / wanted * 1_000 * 0.8
    load = bench.load("order", count=bench.enough(peak), pause_ms=pause)
    for _ in range(_TRIES):
        if abs(load.rate - wanted) <= 0.1 * peak:
            break
        # A connection's round is its pause and its wait: move the pause by what the round is off.
        pause = max(pause + CONNECTIONS * 1_000 * (1 / wanted - 1 / load.rate), 1.0)
        load = bench.load("order", count=bench.enough(peak), pause_ms=pause)
    return load


def open_district(settings: Settings) -> list[Counter]:
    """Make the district anew, without a sale, and return its counters."""
    if DISTRICT in run.migrate(settings.database.owner_url):
        run.drop_district(settings.database.owner_url, DISTRICT)
    run.create_district(settings.database.owner_url, DISTRICT, name="压测商圈", sandbox=True)
    services = build(settings, pool_size=1, statement_timeout_seconds=60)
    try:
        return _furnish(services.database)
    finally:
        services.close()


def prove(settings: Settings) -> int:
    """Return the orders that were stored, once the district's books are proved.

    Raises:
        AssertionError: the books are broken.
    """
    services = build(settings, pool_size=1, statement_timeout_seconds=60)
    try:
        with services.database.transaction(DISTRICT, repeatable_read=True) as session:
            broken = upkeep.audit_all(session)
            if broken:
                raise AssertionError(broken)
            return int(session.scalar(text('SELECT count(*) FROM "order"')) or 0)
    finally:
        services.close()


def _furnish(database: Database) -> list[Counter]:
    phones = [f"139{n:08d}" for n in range(STORES * MEMBERS_EACH)]
    with database.transaction(DISTRICT) as session:
        registration.register_many(
            session, [bench_sale.merchant(n) for n in range(STORES)], by="bench"
        )
        enrolment.enrol_many(
            session,
            [
                NewMember(source=Source.IMPORT, card_number=f"C{n}", phone=phone)
                for n, phone in enumerate(phones)
            ],
        )
        bench_sale.add_rule(session)
    with database.transaction(DISTRICT) as session:
        members = list_by_cards(session, [f"C{n}" for n in range(len(phones))])
        tills = get_directory(session).terminals
        counters = []
        for store in range(STORES):
            code = f"S{store}"
            wish = keys.propose(session, store=code, by="mei", reason="bench")
            issued = keys.approve(session, wish.public_id, by="li")
            till = next(each for each in tills.values() if each.store.code == code)
            own = range(store * MEMBERS_EACH, (store + 1) * MEMBERS_EACH)
            counters.append(
                Counter(
                    code=code,
                    key_id=issued.key_id,
                    secret=issued.secret,
                    identifications=[
                        presence.identify(
                            session, members[f"C{n}"], terminal_id=till.id, mode=Mode.EARN
                        ).public_id
                        for n in own
                    ],
                    phones=[phones[n] for n in own],
                )
            )
    return counters


def requests_of(name: str, counters: list[Counter], address: str, count: int) -> Iterator[bytes]:
    """Return so many requests of a kind, signed now: they are good for five minutes."""
    dice = random.Random(count)
    if name == "hello":
        yield _http("GET", "/hello/", address, {})
        return
    path = {
        "order": "/v1/pos/orders",
        "quote": "/v1/pos/quotes",
        "batch100": "/v1/pos/orders/batch",
    }
    make = {"order": _order, "quote": _basket, "batch100": _upload}
    for number in range(count):
        counter = counters[number % len(counters)]
        body = json.dumps(make[name](counter, dice), ensure_ascii=False).encode()
        yield _signed(counter, path[name], address, body)


def _signed(counter: Counter, path: str, address: str, body: bytes) -> bytes:
    key, nonce = new_id("key"), new_id("non")
    timestamp = int(datetime.now(UTC).timestamp())
    signed = string_to_sign(
        key_id=counter.key_id, timestamp=timestamp, nonce=nonce, method="POST", path=path,
        query="", idempotency_key=key, body=body,
    )  # fmt: skip
    headers = {
        "Authorization": authorization(
            counter.secret, signed, key_id=counter.key_id, timestamp=timestamp, nonce=nonce
        ),
        "Idempotency-Key": key,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    return _http("POST", path, address, headers) + body


def _http(method: str, path: str, address: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(address).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _lines(dice: random.Random) -> Lines:
    return [
        {
            "sku": f"sku-{n}",
            "name": "商品",
            "category": "food",
            "amount_fen": dice.randrange(50, 3_000),
        }
        for n in range(LINES)
    ]


def _basket(counter: Counter, dice: random.Random) -> dict[str, Any]:
    return {
        "terminal_id": "T1",
        "cashier_id": "lin",
        "identification_id": dice.choice(counter.identifications),
        "lines": _lines(dice),
    }


def _order(counter: Counter, dice: random.Random) -> dict[str, Any]:
    basket = _basket(counter, dice)
    return {**basket, "number": new_id("n"), "tenders": _tenders(basket["lines"])}


def _upload(counter: Counter, dice: random.Random) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    orders = []
    for _ in range(BATCH):
        lines = _lines(dice)
        orders.append(
            {
                "terminal_id": "T1",
                "cashier_id": "lin",
                "number": new_id("n"),
                "occurred_at": at,
                "phone": dice.choice(counter.phones),
                "lines": lines,
                "tenders": _tenders(lines),
            }
        )
    return {"orders": orders}


def _tenders(lines: Lines) -> Lines:
    return [{"name": "cash", "fen": sum(line["amount_fen"] for line in lines)}]
