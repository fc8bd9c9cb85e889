"""Lots: the points of one member from one issuer, with one expiry and one cost (L2; ADR 0002).

A lot is a ledger account; here is what it means. Balances are read under the wallet's lock, so
what was planned from them still stands when it is posted.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any, LiteralString

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.members.identification import KnownMember
from app.members.models import MemberStatus
from app.points.models import LotKind
from config.database import fetch, now_of
from ledger import Posting


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What a lot is by; two earns of the same meaning share one lot.

    `cost` is the fen that a point costs its issuer, `redemption` what it pays who takes it.
    """

    issuer_id: int
    cost: Fraction
    redemption: Fraction
    kind: LotKind = LotKind.LOT
    expires_on: date | None = None
    restriction_merchant_id: int | None = None
    activates_on: date | None = None
    courtesy: bool = False
    awaits: str | None = None
    awaits_for: str | None = None

    def name(self, member: str) -> str:
        """Return the account's name: the same in every copy of the books."""
        words = [
            self.kind.value,
            member,
            self.issuer_id,
            self.expires_on or "never",
            f"{self.cost.numerator}/{self.cost.denominator}",
            f"{self.redemption.numerator}/{self.redemption.denominator}",
            self.restriction_merchant_id or "anywhere",
            self.activates_on or "active",
            "courtesy" if self.courtesy else "earned",
            *([self.awaits, self.awaits_for] if self.awaits else []),
        ]
        return ":".join(str(word) for word in words)

    def pays(self, merchant_id: int) -> Fraction:
        """Return the fen that a point pays a merchant; its own issuer gets back the cost (52)."""
        return self.cost if merchant_id == self.issuer_id else self.redemption

    def active(self, day: date) -> bool:
        """Whether its points are not pending any more on a business date (E3)."""
        return self.awaits is None and (self.activates_on is None or self.activates_on <= day)

    def activated(self) -> "Meaning":
        """Return what the points are once the event that they await has come."""
        return replace(self, awaits=None, awaits_for=None)

    def debt(self) -> "Meaning":
        """Return the debt lot of what these points cost."""
        return Meaning(
            issuer_id=self.issuer_id, cost=self.cost, redemption=self.cost, kind=LotKind.DEBT
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldLot:
    """A lot of a locked wallet and its balance in points: below zero in a debt lot.

    Its points last until `last_day`, which activity may have made later than the meaning's own; so
    much of it as `kept_until` no refund takes back any more (ADR 0021).
    """

    account_id: int
    meaning: Meaning
    first_earned_at: datetime
    posted: int
    held: int
    kept_until: date | None
    last_day: date | None

    @property
    def free(self) -> int:
        """Points that no hold keeps."""
        return self.posted - self.held

    @property
    def lasting(self) -> Meaning:
        """What its points are by when they go to another lot: of the day they have for good."""
        if self.kept_until == self.meaning.expires_on:
            return self.meaning
        return replace(self.meaning, expires_on=self.kept_until)

    def ended(self, day: date) -> bool:
        """Whether its last day lies before a business date, not after today (semantics 26)."""
        return self.last_day is not None and self.last_day < day

    def went_to(self, meaning: Meaning) -> bool:
        """Whether points that activity has kept may have gone from here to a lot of a meaning."""
        own, later, last = self.meaning.expires_on, meaning.expires_on, self.kept_until
        if own is None or later is None or last is None:
            return False
        return own < later <= last and replace(meaning, expires_on=own) == self.meaning

    def spendable_at(self, day: date, *, merchants: Collection[int], issuer_id: int | None) -> bool:
        """Whether its points may be spent with one of some merchants on a day (semantics 26).

        `issuer_id` names the only issuer whose points are taken; None: anybody's are.
        """
        meaning = self.meaning
        return (
            meaning.kind is LotKind.LOT
            and not self.ended(day)
            and meaning.active(day)
            and (
                meaning.restriction_merchant_id is None
                or meaning.restriction_merchant_id in merchants
            )
            and issuer_id in (None, meaning.issuer_id)
        )

    def consumption_order(self) -> tuple[bool, date, datetime, int, int]:
        """Sort key of a burn: restricted, soonest expiry, oldest; never-expiring last (B4)."""
        return (
            self.meaning.restriction_merchant_id is None,
            self.last_day or date.max,
            self.first_earned_at,
            self.meaning.issuer_id,
            self.account_id,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Wallet:
    """A member and the lots under lock. `now` is the transaction's instant."""

    member: KnownMember
    lots: Sequence[HeldLot]
    now: datetime

    def debt_points(self, day: date, *, more: int = 0) -> int:
        """Return what the member owes on a business date, as a number above zero.

        `more` is what is about to be owed too. What was left in lots that have expired counts
        against it first, whether or not a job has booked that (semantics 27, 33).
        """
        owed = more - sum(lot.posted for lot in self.lots if lot.meaning.kind is LotKind.DEBT)
        return max(owed - sum(lot.free for lot in self.expired(day)), 0) if owed else 0

    def expired(self, day: date) -> list[HeldLot]:
        """Return the lots that expired before a business date with points in them, oldest first."""
        left = [lot for lot in self.lots if lot.ended(day) and lot.free > 0]
        return sorted(left, key=HeldLot.consumption_order)

    def spendable(
        self, day: date, *, merchants: Collection[int], issuer_id: int | None
    ) -> list[HeldLot]:
        """Return the lots to spend with some merchants on a business date, in the order of B4."""
        fitting = [
            lot
            for lot in self.lots
            if lot.free > 0 and lot.spendable_at(day, merchants=merchants, issuer_id=issuer_id)
        ]
        return sorted(fitting, key=HeldLot.consumption_order)

    def balance_points(self, day: date) -> int:
        """Return what the member sees: unexpired active points, holds and debt taken off."""
        return sum(
            lot.free
            for lot in self.lots
            if lot.meaning.kind is LotKind.LOT and not lot.ended(day) and lot.meaning.active(day)
        ) - self.debt_points(day)

    def after(
        self, postings: Iterable[Posting], *, freed: Iterable[tuple[int, int]] = ()
    ) -> "Wallet":
        """Return the wallet as it will stand once these are posted; only lots it has are moved.

        `freed` is what of its lots a captured hold keeps no more.
        """
        kept = dict(freed)
        moved: dict[int, int] = {}
        for posting in postings:
            moved[posting.debit_id] = moved.get(posting.debit_id, 0) - posting.amount
            moved[posting.credit_id] = moved.get(posting.credit_id, 0) + posting.amount
        lots = [
            replace(
                lot,
                posted=lot.posted + moved.get(lot.account_id, 0),
                held=lot.held - kept.get(lot.account_id, 0),
            )
            for lot in self.lots
        ]
        return replace(self, lots=lots)

    def with_lot(self, lot: HeldLot) -> "Wallet":
        """Return the wallet with a lot more."""
        return replace(self, lots=[*self.lots, lot])

    def find(self, meaning: Meaning) -> HeldLot | None:
        """Return the lot of a meaning, if the wallet has it."""
        return next((lot for lot in self.lots if lot.meaning == meaning), None)


def lock(session: Session, member: KnownMember, *, day: date, also: Iterable[int] = ()) -> Wallet:
    """Lock a member's wallet and read its lots in one round trip; its dead holds end here.

    The member's status is read under it too, so who was frozen meanwhile is. Lots that had expired
    before `day` are left out, but for the accounts in `also`.
    """
    return lock_many(session, [member], day=day, also=also)[member.id]


def lock_many(
    session: Session, members: Iterable[KnownMember], *, day: date, also: Iterable[int] = ()
) -> Mapping[int, Wallet]:
    """Lock members' wallets, by id, and read their lots, as `lock` does for one."""
    now = now_of(session)
    wanted = sorted(members, key=lambda member: member.wallet_id)
    rows = fetch(
        session,
        _LOCK,
        {
            "wallets": _numbers(member.wallet_id for member in wanted),
            "members": _numbers(member.id for member in wanted),
            "now": now,
            "today": day,
            "also": _numbers(also),
        },
    )
    found: dict[int, list[Any]] = {member.id: [] for member in wanted}
    for row in rows:
        found[row.member_id].append(row)
    return {member.id: _wallet(member, found[member.id], now) for member in wanted}


def meaning_of(row: Any) -> Meaning:
    """Return what a lot is by, from its row or another with the same columns."""
    return Meaning(
        issuer_id=row.issuer_id,
        cost=Fraction(row.cost_num, row.cost_den),
        redemption=Fraction(row.redemption_num, row.redemption_den),
        kind=LotKind(row.kind),
        expires_on=row.expires_on,
        restriction_merchant_id=row.restriction_merchant_id,
        activates_on=row.activates_on,
        courtesy=row.courtesy,
        awaits=row.awaits,
        awaits_for=row.awaits_for,
    )


def _wallet(member: KnownMember, rows: Sequence[Any], now: datetime) -> Wallet:
    lots = [
        HeldLot(
            account_id=row.account_id,
            meaning=meaning_of(row),
            first_earned_at=row.first_earned_at,
            posted=row.posted,
            held=row.held,
            kept_until=row.kept_until,
            last_day=row.last_day,
        )
        for row in rows
        if row.account_id is not None
    ]
    member = replace(member, status=MemberStatus(rows[0].status))
    return Wallet(member=member, lots=lots, now=now)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLot:
    """A lot that a member is to have from a business time on."""

    member: KnownMember
    meaning: Meaning
    earned_at: datetime


def open_lots(
    session: Session,
    wallet: Wallet,
    meanings: Iterable[Meaning],
    *,
    earned_at: datetime,
) -> dict[Meaning, int]:
    """Return the account of each meaning; those the wallet lacks are opened in one round trip.

    A lot never falls below zero and a debt lot never rises above it.
    """
    found = {meaning: wallet.find(meaning) for meaning in meanings}
    accounts = {meaning: lot.account_id for meaning, lot in found.items() if lot is not None}
    missing = [
        NewLot(member=wallet.member, meaning=meaning, earned_at=earned_at)
        for meaning, lot in found.items()
        if lot is None
    ]
    opened = open_many(session, missing)
    return accounts | {meaning: lot.account_id for (_, meaning), lot in opened.items()}


def open_many(session: Session, lots: Iterable[NewLot]) -> Mapping[tuple[int, Meaning], HeldLot]:
    """Open lots of members whose wallets are locked, in one round trip; none is there yet.

    Returns them, empty, by member and meaning. One that is asked for twice began at the first.
    """
    missing: dict[str, NewLot] = {}
    for lot in lots:
        missing.setdefault(lot.meaning.name(lot.member.public_id), lot)
    if not missing:
        return {}
    wanted = [lot.meaning for lot in missing.values()]
    debts = [meaning.kind is LotKind.DEBT for meaning in wanted]
    rows = session.execute(
        _OPEN,
        {
            "wallets": [lot.member.wallet_id for lot in missing.values()],
            "members": [lot.member.id for lot in missing.values()],
            "names": list(missing),
            "kinds": [meaning.kind.value for meaning in wanted],
            "issuers": [meaning.issuer_id for meaning in wanted],
            "expires": [meaning.expires_on for meaning in wanted],
            "cost_nums": [meaning.cost.numerator for meaning in wanted],
            "cost_dens": [meaning.cost.denominator for meaning in wanted],
            "redemption_nums": [meaning.redemption.numerator for meaning in wanted],
            "redemption_dens": [meaning.redemption.denominator for meaning in wanted],
            "restrictions": [meaning.restriction_merchant_id for meaning in wanted],
            "activates": [meaning.activates_on for meaning in wanted],
            "courtesy": [meaning.courtesy for meaning in wanted],
            "awaits": [meaning.awaits for meaning in wanted],
            "awaits_for": [meaning.awaits_for for meaning in wanted],
            "first_earned": [lot.earned_at for lot in missing.values()],
            "floors": [None if debt else 0 for debt in debts],
            "ceilings": [0 if debt else None for debt in debts],
        },
    )
    accounts = {row.name: row.account_id for row in rows}
    return {
        (lot.member.id, lot.meaning): HeldLot(
            account_id=accounts[name],
            meaning=lot.meaning,
            first_earned_at=lot.earned_at,
            posted=0,
            held=0,
            kept_until=lot.meaning.expires_on,
            last_day=lot.meaning.expires_on,
        )
        for name, lot in missing.items()
    }


def _numbers(values: Iterable[int]) -> str:
    """Write an array as PostgreSQL reads it."""
    return "{" + ",".join(map(str, values)) + "}"


_LOCK: LiteralString = (
    "SELECT * FROM points_lock_lots(CAST(%(wallets)s AS bigint[]), CAST(%(members)s AS bigint[]), "
    "%(now)s, %(today)s, CAST(%(also)s AS bigint[]))"
)
_OPEN = text(
    "SELECT * FROM points_open_lots(CAST(:wallets AS bigint[]), CAST(:members AS bigint[]), "
    "CAST(:names AS text[]), "
    "CAST(:kinds AS text[]), CAST(:issuers AS bigint[]), CAST(:expires AS date[]), "
    "CAST(:cost_nums AS bigint[]), CAST(:cost_dens AS bigint[]), "
    "CAST(:redemption_nums AS bigint[]), CAST(:redemption_dens AS bigint[]), "
    "CAST(:restrictions AS bigint[]), CAST(:activates AS date[]), CAST(:courtesy AS boolean[]), "
    "CAST(:awaits AS text[]), CAST(:awaits_for AS text[]), "
    "CAST(:first_earned AS timestamptz[]), CAST(:floors AS bigint[]), "
    "CAST(:ceilings AS bigint[]))"
)
