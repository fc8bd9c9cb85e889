"""The district that races are run in: tills with keys, and a batch with too little in it."""

import time
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.api import tokens
from app.api.tokens import MemberClaim
from app.lab import bench_sale
from app.members import devices, enrolment
from app.members.arrivals import NewMember
from app.members.models import Source
from app.members.sealing import coupon_keys
from app.merchants import keys, registration
from app.tasks import audit_in_full
from app.wiring import build
from config.database import Database, now_of
from config.settings import Settings
from coupons import batches, codes, issuing, presets, runs
from coupons.benefits import AmountOff
from coupons.offers import Offer, Stacking
from coupons.templates import Template
from coupons.terms import Budget, Ceiling, Limits, Terms, Validity
from ledger import upkeep
from migrations import run

DISTRICT = "race"
BATCH = "race"
FACE_FEN = 500

#: How many times the usual limits a store may send.
PACE = 1_000
_BY = "system:race"
_ENROLLED_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A store's till: what it signs with."""

    key_id: str
    secret: bytes


def open_district(settings: Settings, *, tills: int) -> list[Desk]:
    """Make the district anew with so many stores, each with one till; return what they sign with.

    Raises:
        NotASandbox: there is a real district of this name; it is left alone.
    """
    owner_url = settings.database.owner_url
    if DISTRICT in run.migrate(owner_url):
        run.drop_district(owner_url, DISTRICT)
    run.create_district(owner_url, DISTRICT, name="抢券 / races", sandbox=True, pace=PACE)
    services = build(settings, pool_size=1, statement_timeout_seconds=60)
    try:
        with services.database.transaction(DISTRICT) as session:
            registration.register_many(
                session, [bench_sale.merchant(number) for number in range(tills)], by=_BY
            )
        with services.database.transaction(DISTRICT) as session:
            return [_desk(session, f"S{number}") for number in range(tills)]
    finally:
        services.close()


def drop_district(settings: Settings) -> None:
    """Leave nothing behind."""
    run.drop_district(settings.database.owner_url, DISTRICT)


def sign_in(settings: Settings, database: Database, *, members: int) -> list[str]:
    """Enrol so many members, each signed in on a phone; return their access tokens.

    A token is good for a quarter of an hour.
    """
    people = [NewMember(source=Source.WEB, phone=f"136{number:08d}") for number in range(members)]
    claims = []
    for first in range(0, members, _ENROLLED_AT_ONCE):
        with database.transaction(DISTRICT) as session:
            for each in enrolment.enrol_many(session, people[first : first + _ENROLLED_AT_ONCE]):
                device = devices.open_on(
                    session, member=each.member, source="web", now=now_of(session)
                )
                claims.append(
                    MemberClaim(
                        district=DISTRICT, member=each.member.public_id, device=device.public_id
                    )
                )
    keys_of_tokens, now = tokens.token_keys(settings.token_key), int(time.time())
    return [tokens.issue(keys_of_tokens, claim, now=now) for claim in claims]


def open_batch(database: Database, terms: Terms) -> None:
    """Open the batch of a race: coupons of ¥5 off."""
    with database.transaction(DISTRICT) as session:
        batches.add_template(session, _template(terms), by=_BY)
        now = now_of(session)
        batches.open_batch(
            session,
            code=BATCH,
            template=BATCH,
            starts_at=now - timedelta(days=1),
            ends_at=now + timedelta(days=30),
            by=_BY,
        )


def terms_of(
    *, total: int | None = None, budget_fen: int | None = None, rush: bool = False
) -> Terms:
    """Return terms under which members claim so many coupons, or uses cost so much."""
    return Terms(
        validity=Validity(days=30),
        funding=presets.DISTRICT_PAYS,
        limits=Limits(total=total),
        budget=Budget(fen=Ceiling(all=budget_fen)),
        claim=True,
        rush=rush,
    )


def print_codes(database: Database, *, count: int, exchanged: bool) -> list[str]:
    """Print codes of the batch; `exchanged` they are coupons of whoever shows them."""
    with database.transaction(DISTRICT) as session:
        secret = coupon_keys(session)
        made = runs.open_run(session, batch=BATCH, name="race", wanted=count, keys=secret, by=_BY)
        done = 0
        while done < count:
            done = runs.fill(session, made, keys=secret)
        printed = [made.code(number) for number in range(count)]
    if exchanged:
        with database.transaction(DISTRICT) as session:
            for code in printed:
                issuing.exchange(session, index=codes.index_of(secret, code), holder=None)
    return printed


def held(database: Database) -> tuple[int, int, str]:
    """Return the coupons issued and redeemed as the rows tell, and what the auditor says."""
    with database.transaction(DISTRICT) as session:
        upkeep.roll_up(session)
    with database.transaction(DISTRICT, repeatable_read=True) as session:
        row = session.execute(_HELD).one()
        return row.issued, row.redeemed, "broken" if audit_in_full(session) else "ok"


def _desk(session: Session, code: str) -> Desk:
    wish = keys.propose(session, store=code, by="mei", reason="race")
    issued = keys.approve(session, wish.public_id, by="li")
    return Desk(key_id=issued.key_id, secret=issued.secret)


def _template(terms: Terms) -> Template:
    return Template(
        code=BATCH,
        title_zh="抢券",
        title_en="race",
        offer=Offer(benefit=AmountOff(fen=FACE_FEN), stacking=Stacking(place=10)),
        terms=terms,
    )


_HELD = text(
    "SELECT (SELECT count(*) FROM coupon) AS issued, "
    "(SELECT count(*) FROM coupon_redemption) AS redeemed"
)
