"""Expiry in the books: what is left in lots past their day goes to the issuers' breakage.

What may be spent goes by the date, whether or not this was ever run (semantics 27). Here it is only
booked: each lot in a journal of its own, dated the midnight at which it ended, so that a run that
is late, killed or repeated leaves the books that one in time would have left. Debts are paid first
(semantics 33), and what a hold keeps waits until the hold ends (semantics 26).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, LiteralString

from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app import outbox
from app.books import Kind
from app.clock import day_start
from app.members.identification import list_by_public_ids
from app.merchants.directory import Directory, get_directory
from app.outbox import News
from app.points import lots
from app.points.lots import Wallet
from app.points.netting import debts_of, leave
from config.database import fetch, now_of
from ledger import Journal

_LOOK_BACK = timedelta(days=40)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a run stands: the last day and member looked at, and who is still to be looked at.

    `apart` are members whose wallet was busy or who owe points; they come last, by public id.
    """

    day: date = date.min
    member: int = 0
    apart: tuple[str, ...] = ()
    ended: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Expired:
    """What one step booked: lots, their points, and the points of them that paid debts.

    `place` is where the next step goes on; None: all is booked.
    """

    lots: int = 0
    points: int = 0
    netted_points: int = 0
    place: Place | None


def start(day: date) -> Place:
    """Return where the expiry of a day begins, when the days before it have had theirs.

    Forty days back, for what came late; on the first of a month from the very beginning.
    """
    return Place() if day.day == 1 else Place(day=day - _LOOK_BACK)


def expire_some(session: Session, *, day: date, place: Place, most: int) -> Expired:
    """Book what had expired before `day`, of about `most` lots; each member's all at once.

    First members by the last day of their lots, passing over those that somebody is at; then those
    by themselves, for nobody should wait while another is waited for. Locks their wallets by id,
    and posts once. Writes one piece of news for each member and last day. Run again from the
    beginning it finds nothing.
    """
    if place.ended:
        return _apart(session, day=day, place=place)
    rows = fetch(
        session,
        _NEXT,
        {
            "now": now_of(session),
            "day": day,
            "after_day": place.day,
            "after_member": place.member,
            "lots": most,
        },
    )
    seen = next((row for row in rows if row.outcome == "seen"), None)
    if seen is None:
        # Seen with each of their last days: once is enough.
        after = Place(apart=tuple(dict.fromkeys(place.apart)), ended=True)
        return Expired(place=after if place.apart else None)
    booked = [row for row in rows if row.outcome == "expired"]
    outbox.add_many(session, [_news(row.member, row.expires_on, row.points) for row in booked])
    apart = [row.member for row in rows if row.outcome in ("busy", "owing")]
    return Expired(
        lots=sum(row.lots for row in booked),
        points=sum(row.points for row in booked),
        place=Place(day=seen.expires_on, member=seen.member_id, apart=(*place.apart, *apart)),
    )


def _apart(session: Session, *, day: date, place: Place) -> Expired:
    """Book what one member let expire who owes points or was busy; waits for his wallet."""
    members = list_by_public_ids(session, place.apart[:1])
    rest = place.apart[1:]
    wallets = lots.lock_many(session, members.values(), day=day)
    booked = plan(session, wallets.values(), get_directory(session), day=day)
    ledger.post(session, booked.journals)
    outbox.add_many(session, booked.news)
    return Expired(
        lots=len(booked.journals),
        points=booked.points,
        netted_points=booked.netted_points,
        place=Place(apart=rest, ended=True) if rest else None,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The journals of an expiry, a lot each, and what is told of it."""

    journals: list[Journal]
    news: list[News]
    points: int
    netted_points: int


def plan(session: Session, wallets: Iterable[Wallet], directory: Directory, *, day: date) -> Plan:
    """Plan what becomes of the lots of locked wallets that had expired before `day`.

    One round trip. What a lot holds free pays the member's oldest debts first; the issuer's
    breakage gets the rest.
    """
    due = [(wallet, wallet.expired(day)) for wallet in wallets]
    keys = keys_of(session, [lot.account_id for _, expired in due for lot in expired])
    journals, told = [], []
    points = netted = 0
    for wallet, expired in due:
        owed, by_day = debts_of(wallet), dict[date, int]()
        for lot in expired:
            ended = lot.last_day
            if ended is None:
                raise ValueError(f"lot {lot.account_id} never expires")
            heir = directory.merchants[lot.meaning.issuer_id].breakage_account_id
            left = leave(lot, owed, heir=heir)
            journals.append(
                Journal(
                    key=keys[lot.account_id],
                    kind=Kind.EXPIRE,
                    occurred_at=day_start(ended + timedelta(days=1)),
                    postings=left.postings,
                )
            )
            points, netted = points + lot.free, netted + left.paid_points
            if left.gone_points:
                by_day[ended] = by_day.get(ended, 0) + left.gone_points
        member = wallet.member.public_id
        told += [_news(member, ended, gone) for ended, gone in sorted(by_day.items())]
    return Plan(journals=journals, news=told, points=points, netted_points=netted)


def keys_of(
    session: Session, accounts: Sequence[int], *, kind: Kind = Kind.EXPIRE
) -> Mapping[int, str]:
    """Return the keys that a sweep of the ledger would give: account name and version."""
    if not accounts:
        return {}
    rows: Sequence[Any] = session.execute(_VERSIONS, {"accounts": list(accounts)}).all()
    return {row.account_id: f"{kind}:{row.name}:{row.version}" for row in rows}


def _news(member: str, ended: date, points: int) -> News:
    return News(
        topic="points.expired",
        aggregate=f"{member}/points",
        payload={"member": member, "expires_on": ended.isoformat(), "points": points},
    )


_NEXT: LiteralString = (
    "SELECT * FROM points_expire_next(%(now)s, %(day)s, %(after_day)s, %(after_member)s, %(lots)s)"
)
_VERSIONS = text(
    "SELECT b.account_id, a.name, b.version FROM account_balance b "
    "JOIN account a ON a.id = b.account_id WHERE b.account_id = ANY (CAST(:accounts AS bigint[]))"
)
