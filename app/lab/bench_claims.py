"""Claims over HTTP: one hot batch beside many, both beside a bare Flask; and a member's offers.

A district of its own has two thousand members who are signed in, and as many batches that they may
claim. Each request is a claim that nobody made before, by the next member in turn, so that the
limits of members hold as they are (reliability §12).
"""

import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app.api import tokens
from app.api.member.coupons import coupon_view, names_of
from app.api.member.offers import offers_for
from app.api.tokens import MemberClaim
from app.lab import bench_sale, bench_wrk
from app.lab.bench_wrk import CONNECTIONS, Load
from app.members import devices, enrolment
from app.members.arrivals import NewMember
from app.members.identification import KnownMember, get_by_public_id
from app.members.models import Source
from app.merchants import registration
from app.merchants.directory import get_directory
from app.tasks import audit_in_full
from app.wiring import build
from config.database import Database, new_id, now_of
from config.settings import Settings
from coupons import batches, issuing, presets, wallets
from coupons.benefits import AmountOff
from coupons.offers import Birthday, Chosen, Offer, Scope, Stacking, When, Who
from coupons.templates import Template
from coupons.terms import Limits, Terms, Validity
from migrations import run

DISTRICT = "bench-claims"
MEMBERS = 2_000
BATCHES = 64
OFFERS = 30
DEMANDS = {"hot_batch_http": "≥ 0.5", "claim": "≥ 0.05", "offers": "≤ 3"}

_BY = "system:bench"
_HOT = "hot"
_MOST = 0.4  # of hello's rate: claims come nowhere near
_RICH = 100  # members with a full wallet
_SHOP = 1


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where the server listens, how long to load it, and who claims."""

    wrk: str
    address: str
    folder: Path
    seconds: float
    settings: Settings
    claims: list[MemberClaim]
    tell: Callable[[str], None]
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def load(self, name: str, *, count: int) -> Load:
        """Run one kind of request; `count` are written down."""
        path = self.folder / f"{name}.requests"
        bench_wrk.write(path, self.requests_of(name, count))
        load = bench_wrk.send(
            self.wrk, path, address=self.address, seconds=self.seconds, again=name == "hello"
        )
        self.tell(
            f"{name:<9}{load.rate:8.1f}/s  p50 {load.p50_ms:7.1f} ms  p99 {load.p99_ms:7.1f} ms"
            f"  wrk {load.client_cpu:4.0%}"
        )
        return load

    def requests_of(self, name: str, count: int) -> Iterator[bytes]:
        """Return so many requests of a kind; tokens are issued now, for a quarter of an hour."""
        host = urlsplit(self.address).netloc
        if name == "hello":
            yield f"GET /hello/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
            return
        keys, now = tokens.token_keys(self.settings.token_key), int(time.time())
        access = [tokens.issue(keys, claim, now=now) for claim in self.claims]
        for number in itertools.islice(self.numbers, count):
            batch = _HOT if name == _HOT else f"b{number % BATCHES}"
            turn, member = divmod(number, len(access))
            body = json.dumps({"batch": batch, "n": turn + 1}).encode()
            yield (
                f"POST /v1/member/coupons/claims HTTP/1.1\r\nHost: {host}\r\n"
                f"Authorization: Bearer {access[member]}\r\nIdempotency-Key: {new_id('key')}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            ).encode() + body


def measure(bench: Bench, *, rounds: int) -> dict[str, float]:
    """Return the medians of ratios: hot claims to spread ones before and after, claims to hello."""
    hello = bench.load("hello", count=1).rate
    enough = round(hello * _MOST * bench.seconds) + 4 * CONNECTIONS
    for name in (_HOT, "spread"):
        bench.load(name, count=enough)  # What is cold is slower than what follows.
    found: dict[str, list[float]] = {"claim": [], "hot_batch_http": []}
    for _ in range(rounds):
        hello = bench.load("hello", count=1).rate
        before = bench.load("spread", count=enough).rate
        hot = bench.load(_HOT, count=enough).rate
        after = bench.load("spread", count=enough).rate
        found["hot_batch_http"].append(2 * hot / (before + after))
        found["claim"].append(min(hot, before, after) / hello)
    return {name: statistics.median(ratios) for name, ratios in found.items()}


def open_district(settings: Settings, *, members: int) -> list[MemberClaim]:
    """Make the district anew; return its members, each signed in on a phone."""
    owner_url = settings.database.owner_url
    if DISTRICT in run.migrate(owner_url):
        run.drop_district(owner_url, DISTRICT)
    run.create_district(owner_url, DISTRICT, name="领券测量", sandbox=True)
    services = build(settings, pool_size=1, statement_timeout_seconds=60)
    try:
        with services.database.transaction(DISTRICT) as session:
            registration.register_many(session, [bench_sale.merchant(_SHOP)], by=_BY)
            for code in (_HOT, *[f"b{number}" for number in range(BATCHES)]):
                _open_batch(session, code)
        with services.database.transaction(DISTRICT) as session:
            return _sign_in(session, members)
    finally:
        services.close()


def drop_district(settings: Settings) -> None:
    """Leave nothing behind."""
    run.drop_district(settings.database.owner_url, DISTRICT)


def prove(settings: Settings) -> bool:
    """Whether every coupon that was claimed is counted, and the books hold."""
    services = build(settings, pool_size=1, statement_timeout_seconds=60)
    try:
        with services.database.transaction(DISTRICT, repeatable_read=True) as session:
            return not audit_in_full(session)
    finally:
        services.close()


def offers_to_wallet(
    settings: Settings, claims: list[MemberClaim], *, rounds: int, tell: Callable[[str], None]
) -> float:
    """Return the time to evaluate thirty offers to that of reading a wallet of thirty coupons.

    Each is what its route does in the transaction, from the member on; medians, in turns.
    """
    services = build(settings, pool_size=1)
    try:
        rich = [claim.member for claim in claims[:_RICH]]
        with services.database.transaction(DISTRICT) as session:
            for number in range(OFFERS):
                issuing.grant(session, batch=f"b{number}", holders=rich, key="bench")
        took: dict[str, list[float]] = {"offers": [], "wallet": []}
        for number in range(rounds):
            # Each is first in half of the transactions: who is second finds more in memory.
            order = list(took) if number % 2 else list(reversed(took))
            _time_both(services.database, rich[number % len(rich)], took, order=order)
    finally:
        services.close()
    offers, wallet = [statistics.median(each) * 1_000 for each in took.values()]
    tell(f"{OFFERS} offers {offers:.2f} ms, a wallet of {OFFERS} {wallet:.2f} ms")
    return offers / wallet


def _time_both(
    database: Database, public_id: str, took: Mapping[str, list[float]], *, order: list[str]
) -> None:
    with database.transaction(DISTRICT, read_only=True) as session:
        member = get_by_public_id(session, public_id)
        store = get_directory(session).get_store(f"S{_SHOP}")
        acts: Mapping[str, Callable[[], Any]] = {
            "offers": lambda: offers_for(session, member, store=store, most=OFFERS),
            "wallet": lambda: _read_wallet(session, member),
        }
        for name in order:
            began = time.perf_counter()
            acts[name]()
            took[name].append(time.perf_counter() - began)


def _read_wallet(session: Session, member: KnownMember) -> list[Mapping[str, Any]]:
    held = wallets.wallet(session, holders=names_of(session, member.id))
    return [coupon_view(each) for each in held]


def _sign_in(session: Session, members: int) -> list[MemberClaim]:
    people = [
        NewMember(source=Source.WEB, phone=f"137{number:08d}", birthday="06-01")
        for number in range(members)
    ]
    claims = []
    for each in enrolment.enrol_many(session, people):
        device = devices.open_on(session, member=each.member, source="web", now=now_of(session))
        claims.append(
            MemberClaim(district=DISTRICT, member=each.member.public_id, device=device.public_id)
        )
    return claims


def _open_batch(session: Session, code: str) -> None:
    """Open a batch for a month, alike but for what its offer asks of the shopper."""
    number = 0 if code == _HOT else int(code[1:])
    asked = [
        Who(),
        Who(tiers=frozenset({"gold", "silver"})),
        Who(birthday=Birthday.MONTH),
    ][number % 3]
    places = Chosen(merchants=frozenset({f"m{number}"})) if number % 2 else Chosen()
    template = Template(
        code=code,
        title_zh="测量券",
        title_en="bench coupon",
        offer=Offer(
            benefit=AmountOff(fen=500),
            stacking=Stacking(place=10),
            scope=Scope(include=places),
            when=When(weekdays=frozenset({1, 2, 3, 4, 5})) if number % 5 else When(),
            who=asked,
        ),
        terms=Terms(
            validity=Validity(days=30),
            funding=presets.DISTRICT_PAYS,
            limits=Limits(total=10_000_000, per_member=10_000),
            claim=True,
        ),
    )
    batches.add_template(session, template, by=_BY)
    now = now_of(session)
    batches.open_batch(
        session,
        code=code,
        template=code,
        starts_at=now - timedelta(days=1),
        ends_at=now + timedelta(days=30),
        by=_BY,
    )
