"""Merging two members who are one person: foreseen, done, undone (M4; semantics 46).

The loser's points go to lots of the same meaning in the survivor's wallet, his debts too; both
ledgers stay. His coupons stay under his name, and count for the survivor's limits. Two people
agree. Both wallets are locked, in the order of their ids.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

import ledger
from app import approvals, audit
from app.approvals import ChangeRequest
from app.books import Kind, move
from app.clock import business_date
from app.errors import StateConflict
from app.members import consents, joint_standing, merges
from app.members.identification import KnownMember, get_by_any, list_unmerged
from app.members.merges import Merge, Pair
from app.merchants.directory import get_directory
from app.points import lots, promises, tracing
from app.points.lots import HeldLot, NewLot, Wallet, meaning_of
from app.points.models import Lot, LotKind, MergedLot
from app.points.programme import burn_terms_at
from config.database import new_id, now_of
from coupons import aliases
from ledger import Journal, Posting

KIND = "member.merge"
_AT_ONCE = 100
_EVERY_LOT = date.min


@dataclass(frozen=True, kw_only=True)
class LotToMove:
    """Points of one lot, or owed in one debt lot, as they would move; `held` finish where they are.

    `issuer` is a merchant's code.
    """

    issuer: str
    kind: LotKind
    expires_on: date | None
    points: int
    held: int


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a merge would do; nothing is changed.

    `over_limit` is by how many points the two have burned more today than one member may: what was
    burned stays, and nothing more may be. `stricter` are purposes and channels of consent that the
    survivor has given and the loser refused. `tier` is what the survivor will have.
    """

    loser: str
    survivor: str
    lots: Sequence[LotToMove]
    memberships: int
    memberships_of_both: int
    identities: int
    devices: int
    over_limit: int
    stricter: Sequence[tuple[str, str]]
    tier: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A merge that was done or undone, and the points that moved by it, debts not counted."""

    merge: str
    loser: str
    survivor: str
    undone: bool
    points: int


@dataclass(frozen=True, kw_only=True)
class _Move:
    """What goes from one lot to another; `own` is what the other held before."""

    start: int
    end: int
    points: int
    own: int
    kind: LotKind

    def posting(self) -> Posting:
        """Return the posting that links the two: points are debited where they leave."""
        if self.kind is LotKind.DEBT:
            return move(self.end, self.start, self.points)
        return move(self.start, self.end, self.points)


def preview(session: Session, *, loser: str, survivor: str) -> Preview:
    """Say what a merge of two members would do, each named by id, phone or card.

    Raises:
        UnknownMember: nobody is known by one of them.
        StateConflict: they cannot be merged; see `merges.require_mergeable`.
    """
    pair = Pair(loser=get_by_any(session, loser), survivor=get_by_any(session, survivor))
    merges.require_mergeable(session, pair)
    members = {"loser": pair.loser.id, "survivor": pair.survivor.id}
    today = business_date(now_of(session))
    counted = session.execute(_COUNTS, {**members, "today": today}).one()
    limit = burn_terms_at(
        session, merchant=None, tier=pair.survivor.tier, at=now_of(session)
    ).daily_limit_points
    stricter = consents.refused_elsewhere(
        session, member_id=pair.survivor.id, other_id=pair.loser.id
    )
    return Preview(
        loser=pair.loser.public_id,
        survivor=pair.survivor.public_id,
        lots=_lots_of(session, pair.loser),
        memberships=counted.memberships,
        memberships_of_both=counted.of_both,
        identities=counted.identities,
        devices=counted.devices,
        over_limit=0 if limit is None else max(counted.burned - limit, 0),
        stricter=[(each.matter.purpose.value, each.matter.channel.value) for each in stricter],
        tier=joint_standing.joint(session, loser=pair.loser, survivor=pair.survivor).tier,
    )


def propose(session: Session, *, loser: str, survivor: str, by: str, reason: str) -> ChangeRequest:
    """Ask for a merge; it waits for a second person and nothing changes yet.

    Raises:
        As `preview`.
    """
    foreseen = preview(session, loser=loser, survivor=survivor)
    return approvals.propose(
        session,
        kind=KIND,
        subject=foreseen.survivor,
        payload={"loser": foreseen.loser, "survivor": foreseen.survivor},
        by=by,
        reason=reason,
    )


def propose_undo(session: Session, merge: str, *, by: str, reason: str) -> ChangeRequest:
    """Ask for a merge to be undone; it waits for a second person.

    Raises:
        NotFound: no such merge.
        StateConflict: it cannot be undone; see `merges.require_undoable`.
    """
    row = merges.get_locked(session, merge)
    pair = _read_pair(session, row)
    merges.require_undoable(row, pair, now=now_of(session))
    return approvals.propose(
        session,
        kind=KIND,
        subject=pair.survivor.public_id,
        payload={"undo": merge},
        by=by,
        reason=reason,
    )


def approve(session: Session, request: str, *, by: str) -> Outcome:
    """Agree to a merge or an undo, as the second person: it is done at once, all or nothing.

    Locks the request, both members and both wallets, each by id, and posts once. A request that was
    decided before changes nothing.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`; or things have changed so that
            it cannot be done any more.
    """
    agreed = approvals.approve(session, request, kind=KIND, by=by)
    if "undo" in agreed.payload:
        return _undo(session, str(agreed.payload["undo"]), agreed, by=by)
    loser, survivor = str(agreed.payload["loser"]), str(agreed.payload["survivor"])
    return _merge(session, loser, survivor, agreed, by=by)


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a merge or an undo down.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    turned_down = approvals.reject(session, request, kind=KIND, by=by)
    audit.record(
        session,
        actor=by,
        action="member.merge_reject",
        object=turned_down.subject,
        after={"request": request},
        reason=reason,
    )


def gather(session: Session) -> int:
    """Bring to survivors what has come back to losers since: of a hold that ended, most of all.

    A hundred merges at most; returns of how many. Run twice or late it does no harm. The coupons of
    one that code of before coupons knew names has merged count for the survivor from then on.
    """
    rows = session.scalars(
        select(Merge)
        .where(Merge.id.in_(session.scalars(_LEFT, {"limit": _AT_ONCE}).all()))
        .order_by(Merge.id)
    ).all()
    pairs = [_read_pair(session, row) for row in rows]
    people = {each.id: each for pair in pairs for each in (pair.loser, pair.survivor)}
    lots.lock_many(session, people.values(), day=_EVERY_LOT)
    journals: list[Journal] = []
    for row, pair in zip(rows, pairs, strict=True):
        moves = _move_over(session, row, pair)
        journals += _journals(session, f"{row.public_id}:{new_id('gat')}", row, moves)
    ledger.post(session, journals)
    for loser, survivor in session.execute(_NAMELESS, {"limit": _AT_ONCE}).all():
        aliases.take_over(session, holder=survivor, alias=loser)
    return len(journals)


def heirs(
    session: Session, wallet: Wallet, accounts: Iterable[int]
) -> tuple[Wallet, Mapping[int, int]]:
    """Return the lots of a locked wallet that stand for lots of others, of the same meaning.

    An order may have been paid with points of a member who is another one now. For accounts of the
    wallet's own there is nothing to do, and no SQL; else two round trips at most.
    """
    own = {lot.account_id for lot in wallet.lots}
    foreign = sorted(set(accounts) - own)
    if not foreign:
        return wallet, {}
    rows = session.scalars(select(Lot).where(Lot.account_id.in_(foreign)))
    meanings = {row.account_id: (meaning_of(row), row) for row in rows}
    missing = [
        NewLot(member=wallet.member, meaning=meaning, earned_at=row.first_earned_at)
        for meaning, row in meanings.values()
        if wallet.find(meaning) is None
    ]
    for lot in lots.open_many(session, missing).values():
        wallet = wallet.with_lot(lot)
    found = {account: wallet.find(meaning) for account, (meaning, _) in meanings.items()}
    return wallet, {account: lot.account_id for account, lot in found.items() if lot is not None}


def _merge(
    session: Session, loser: str, survivor: str, agreed: ChangeRequest, *, by: str
) -> Outcome:
    ids = [get_by_any(session, loser).id, get_by_any(session, survivor).id]
    pair = merges.lock_pair(session, loser_id=ids[0], survivor_id=ids[1])
    if pair.loser.public_id != loser:
        raise StateConflict("member", loser, "merged", "已合并", "merged already")
    merges.require_mergeable(session, pair)
    row = merges.link(session, pair, by=by, now=now_of(session))
    moves = _move_over(session, row, pair)
    promises.pass_on(session, loser=pair.loser, survivor=pair.survivor)
    # After the wallets: a paid order locks its member's before it gives him a coupon.
    aliases.take_over(session, holder=survivor, alias=loser)
    ledger.post(session, _journals(session, f"{row.public_id}:merge", row, moves))
    outcome = _outcome(row, pair, moves)
    _record(session, outcome, agreed, by=by, action="member.merge")
    return outcome


def _undo(session: Session, merge: str, agreed: ChangeRequest, *, by: str) -> Outcome:
    row = merges.get_locked(session, merge)
    pair = merges.lock_pair(session, loser_id=row.loser_id, survivor_id=row.survivor_id)
    merges.require_undoable(row, pair, now=now_of(session))
    back = _returning(session, row, pair)
    merges.unlink(session, row, pair, by=by, now=now_of(session))
    aliases.part(session, alias=pair.loser.public_id)
    ledger.post(session, _journals(session, f"{merge}:undo", row, back))
    outcome = _outcome(row, pair, back)
    _record(session, outcome, agreed, by=by, action="member.merge_undo")
    return outcome


def _returning(session: Session, row: Merge, pair: Pair) -> list[_Move]:
    """Plan what goes back to the loser of each lot of the survivor, wherever it is by now.

    It keeps what it has got meanwhile: what has become active stays so, and a later last day.
    """
    wallets = lots.lock_many(session, [pair.loser, pair.survivor], day=_EVERY_LOT)
    loser, survivor = wallets[pair.loser.id], wallets[pair.survivor.id]
    shares = tracing.trace(session, row)
    leaving = {lot: points for lot in survivor.lots if (points := _share(lot, shares))}
    loser = _with_lots(session, loser, leaving)
    return [
        _Move(
            start=lot.account_id, end=home.account_id, points=points, own=0, kind=home.meaning.kind
        )
        for lot, points in leaving.items()
        if (home := loser.find(lot.lasting)) is not None
    ]


def _share(lot: HeldLot, shares: Mapping[int, tracing.Share]) -> int:
    """Return what of a lot goes back: of what is there now, and of points what no hold keeps."""
    share = shares.get(lot.account_id, tracing.Share()).of(abs(lot.posted))
    return min(share, max(lot.free, 0)) if lot.meaning.kind is LotKind.LOT else share


def _with_lots(session: Session, wallet: Wallet, like: Iterable[HeldLot]) -> Wallet:
    """Return a locked wallet with a lot for what each of some lots of another is by."""
    missing = [
        NewLot(member=wallet.member, meaning=lot.lasting, earned_at=lot.first_earned_at)
        for lot in like
        if wallet.find(lot.lasting) is None
    ]
    for opened in lots.open_many(session, missing).values():
        wallet = wallet.with_lot(opened)
    return wallet


def _move_over(session: Session, row: Merge, pair: Pair) -> list[_Move]:
    """Plan that a loser's free points and debts go to the survivor; write what moves by lot."""
    wallets = lots.lock_many(session, [pair.loser, pair.survivor], day=_EVERY_LOT)
    loser, survivor = wallets[pair.loser.id], wallets[pair.survivor.id]
    leaving = [lot for lot in loser.lots if _movable(lot)]
    survivor = _with_lots(session, survivor, leaving)
    moves = [
        _Move(
            start=lot.account_id,
            end=heir.account_id,
            points=_movable(lot),
            own=abs(heir.posted),
            kind=lot.meaning.kind,
        )
        for lot in leaving
        if (heir := survivor.find(lot.lasting)) is not None
    ]
    rows = [
        {
            "merge_id": row.id,
            "from_account_id": each.start,
            "to_account_id": each.end,
            "points": each.points,
            "own_points": each.own,
        }
        for each in moves
    ]
    if rows:
        session.execute(insert(MergedLot), rows)
    return moves


def _movable(lot: HeldLot) -> int:
    """Return what of a lot can move: points that no hold keeps, or all that is owed."""
    return -lot.posted if lot.meaning.kind is LotKind.DEBT else max(lot.free, 0)


def _journals(session: Session, key: str, row: Merge, moves: Sequence[_Move]) -> list[Journal]:
    """Return the journal of what moves, if anything does."""
    postings = [each.posting() for each in moves if each.points]
    if not postings:
        return []
    return [
        Journal(
            key=key,
            kind=Kind.MERGE,
            occurred_at=now_of(session),
            postings=postings,
            details={"merge": row.public_id},
        )
    ]


def _outcome(row: Merge, pair: Pair, moves: Sequence[_Move]) -> Outcome:
    return Outcome(
        merge=row.public_id,
        loser=pair.loser.public_id,
        survivor=pair.survivor.public_id,
        undone=row.undone_at is not None,
        points=sum(each.points for each in moves if each.kind is LotKind.LOT),
    )


def _record(
    session: Session, outcome: Outcome, agreed: ChangeRequest, *, by: str, action: str
) -> None:
    for name in (outcome.loser, outcome.survivor):
        audit.record(
            session,
            actor=by,
            action=action,
            object=name,
            after={
                "merge": outcome.merge,
                "loser": outcome.loser,
                "survivor": outcome.survivor,
                "points": outcome.points,
                "request": agreed.public_id,
            },
            reason=agreed.reason,
        )


def _read_pair(session: Session, row: Merge) -> Pair:
    members = list_unmerged(session, [row.loser_id, row.survivor_id])
    return Pair(loser=members[row.loser_id], survivor=members[row.survivor_id])


def _lots_of(session: Session, member: KnownMember) -> list[LotToMove]:
    merchants = get_directory(session).merchants
    rows: Sequence[Any] = session.execute(_LOTS, {"member": member.id}).all()
    return [
        LotToMove(
            issuer=merchants[row.issuer_id].code,
            kind=LotKind(row.kind),
            expires_on=row.expires_on,
            points=abs(row.posted) - row.held,
            held=row.held,
        )
        for row in rows
    ]


_LOTS = text(
    """
    SELECT l.issuer_id, l.kind, l.expires_on, b.posted, b.held
    FROM lot l JOIN account_balance b ON b.account_id = l.account_id
    WHERE l.member_id = :member AND b.posted <> 0
    ORDER BY l.kind DESC, l.expires_on NULLS LAST, l.account_id
    """
)
_COUNTS = text(
    """
    SELECT
        (SELECT count(*) FROM membership WHERE member_id = :loser) AS memberships,
        (SELECT count(*) FROM membership l JOIN membership s USING (merchant_id)
         WHERE l.member_id = :loser AND s.member_id = :survivor) AS of_both,
        (SELECT count(*) FROM channel_identity WHERE member_id = :loser) AS identities,
        (SELECT count(*) FROM device_session
         WHERE member_id = :loser AND ended_at IS NULL AND until > now()) AS devices,
        (SELECT coalesce(sum(t.amount), 0)::bigint
         FROM lot l JOIN transfer t ON t.debit_id = l.account_id AND t.booked_on = :today
         JOIN account c ON c.id = t.credit_id AND c.code = 'redeemed'
         WHERE l.member_id IN (:loser, :survivor)) AS burned
    """
)
_LEFT = text(
    """
    SELECT g.id FROM merge g
    WHERE g.undone_at IS NULL AND EXISTS (
        SELECT FROM lot l JOIN account_balance b ON b.account_id = l.account_id
        WHERE l.member_id = g.loser_id AND b.posted - b.held <> 0)
    ORDER BY g.id LIMIT :limit
    """
)
#: Whoever undoes a merge has locked its row: that one is passed over.
_NAMELESS = text(
    """
    SELECT l.public_id AS loser, s.public_id AS survivor
    FROM merge g JOIN member l ON l.id = g.loser_id JOIN member s ON s.id = g.survivor_id
    WHERE g.undone_at IS NULL
        AND NOT EXISTS (SELECT FROM coupon_alias a WHERE a.alias = l.public_id)
    ORDER BY g.id LIMIT :limit FOR SHARE OF g SKIP LOCKED
    """
)
