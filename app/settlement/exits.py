"""Merchants that leave: no new points, the old ones honoured, until nothing is out (L9; ADR 0019).

A point is paid for when it is issued, so what a leaving merchant may still cost the others is what
it has not paid. Semantics 50 in these terms: its exit balance is what its points in members' hands
had cost, less what is expected to expire; what the float has got for it already is taken off; the
rest is its deposit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import approvals, audit, outbox
from app.approvals import ChangeRequest
from app.clock import business_date
from app.errors import Invalid, NotFound, StateConflict
from app.merchants import prepaying
from app.merchants.directory import ListedMerchant, get_directory
from app.merchants.locking import lock_merchant
from app.merchants.models import Merchant, MerchantStatus
from app.points.programme import programme_at
from app.settlement import credit, disputes
from app.settlement.errors import DisputesOpen, OrdersWaiting
from app.settlement.loss_policy import LOSSES
from app.settlement.models import Exit
from config.database import forget, new_id, now_of

KIND = "merchant.exit"


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What a merchant leaves behind at an instant, in fen at the costs frozen in the lots.

    `out` are its points in members' hands, `owed` those that members owe of it, which it bears if
    they never pay. `unpaid_fen` is what it owes itself, `breakage_fen` what is expected to come
    back to it for points that expire.
    """

    out_points: int
    out_fen: int
    owed_points: int
    owed_fen: int
    unpaid_fen: int
    breakage_fen: int

    @property
    def balance_fen(self) -> int:
        """The exit balance: what its points are expected still to cost."""
        return self.out_fen - self.breakage_fen

    @property
    def paid_fen(self) -> int:
        """What of it the float has in money; below zero, it owes more than its points cost."""
        return self.out_fen - self.unpaid_fen - self.owed_fen

    @property
    def deposit_fen(self) -> int:
        """What it has to leave with the district: the exit balance, less what is paid for."""
        return max(self.balance_fen - self.paid_fen, 0)


def weigh(session: Session, merchant: ListedMerchant, *, returning: Fraction) -> Balance:
    """Return what a merchant leaves behind now; `returning` is the share expected to come back.

    That is rounded down to the fen. Looks at every lot of the merchant.
    """
    found = {row.kind: row for row in session.execute(_OUT, {"merchant": merchant.id})}
    out, owed = (
        (int(found[kind].points), int(found[kind].fen)) if kind in found else (0, 0)
        for kind in ("lot", "debt")
    )
    (standing,) = credit.stand(session, [merchant])
    owes = standing.open_fen + _bought_fen(session, merchant) - standing.due_fen
    return Balance(
        out_points=out[0],
        out_fen=out[1],
        owed_points=-owed[0],
        owed_fen=-owed[1],
        unpaid_fen=max(owes, 0),
        breakage_fen=int(out[1] * returning),
    )


def propose(
    session: Session, code: str, *, breakage: Fraction, by: str, reason: str
) -> ChangeRequest:
    """Ask that a merchant leaves; it waits for a second person (G1).

    `breakage` is the share of its points in members' hands that is expected to expire.

    Raises:
        NotFound: no such merchant.
        Invalid: not a share.
        StateConflict: it is not active; OrdersWaiting, DisputesOpen: they end first.
    """
    if not 0 <= breakage <= 1 or breakage.denominator > 10**6:
        raise Invalid("breakage", "须在 0 到 1 之间", "from 0 to 1")
    row = lock_merchant(session, code)
    _require_ready(session, row)
    share = programme_at(session, now_of(session)).breakage_share
    request = approvals.propose(
        session,
        kind=KIND,
        subject=row.public_id,
        before={"status": row.status},
        payload={
            "status": MerchantStatus.EXITING.value,
            "breakage": str(breakage),
            "breakage_share": str(share),
        },
        by=by,
        reason=reason,
    )
    _record(session, request, action="exit.propose", by=by)
    return request


def approve(session: Session, request: str, *, by: str) -> Exit:
    """Let a merchant leave, as the second person: it gives no points from this commit on.

    What was out and owed is written down, what it had bought ahead is taken back, and its deposit
    is called. Sales that are under way may still give points; the run-off counts them.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        StateConflict, OrdersWaiting, DisputesOpen: as `propose`, where that has come about since.
    """
    agreed = approvals.approve(session, request, kind=KIND, by=by)
    merchant = get_directory(session).merchants_by_public_id[agreed.subject]
    row = lock_merchant(session, merchant.code)
    _require_ready(session, row)
    prepaying.take_back(session, merchant, by=by)
    breakage = Fraction(agreed.payload["breakage"])
    share = Fraction(agreed.payload["breakage_share"])
    found = weigh(session, merchant, returning=breakage * share)
    declared = LOSSES.at(session, now_of(session))
    leaving = Exit(
        public_id=new_id("ext"),
        merchant_id=merchant.id,
        begun_on=business_date(now_of(session)),
        breakage_num=breakage.numerator,
        breakage_den=breakage.denominator,
        share_num=share.numerator,
        share_den=share.denominator,
        deposit_fen=found.deposit_fen,
        fund_limit_fen=declared.fund_limit_fen,
        redeemer_months=declared.redeemer_months,
        change_request_id=agreed.id,
        created_at=now_of(session),
        **vars(found),
    )
    session.add(leaving)
    row.status = MerchantStatus.EXITING
    _record(session, agreed, action="exit.approve", by=by)
    outbox.add(
        session,
        topic="merchant.exiting",
        aggregate=row.public_id,
        payload={"merchant": row.public_id, "deposit_fen": found.deposit_fen},
    )
    session.flush()
    forget(session)
    return leaving


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a proposed exit down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    audit.record(session, actor=by, action="exit.reject", object=rejected.subject, reason=reason)


def get_exit(session: Session, merchant: ListedMerchant) -> Exit:
    """Return the exit of a merchant; one that was cancelled is none.

    Raises:
        NotFound: it has not been asked to leave.
    """
    found = get_last_exit(session, merchant)
    if found.cancelled_at is not None:
        raise NotFound("exit", merchant.code)
    return found


def get_last_exit(session: Session, merchant: ListedMerchant) -> Exit:
    """Return the newest exit of a merchant, be it cancelled.

    Raises:
        NotFound: it has never been asked to leave.
    """
    query = select(Exit).where(Exit.merchant_id == merchant.id).order_by(Exit.id.desc()).limit(1)
    found = session.scalar(query)
    if found is None:
        raise NotFound("exit", merchant.code)
    return found


def returning(leaving: Exit) -> Fraction:
    """Return what share of its points' cost was expected to come back to a leaving merchant."""
    expected = Fraction(leaving.breakage_num, leaving.breakage_den)
    return expected * Fraction(leaving.share_num, leaving.share_den)


def weigh_now(session: Session, merchant: ListedMerchant) -> Balance:
    """Return what a leaving merchant leaves behind now, by the share agreed when it left.

    Raises:
        NotFound: it is not leaving.
    """
    return weigh(session, merchant, returning=returning(get_exit(session, merchant)))


def _bought_fen(session: Session, merchant: ListedMerchant) -> int:
    """Return what points that it bought ahead since the last close cost, returns taken off."""
    rows = session.execute(_BOUGHT, {"prepaid": merchant.prepaid_account_id})
    return ceil(sum((row.points * Fraction(row.rate) for row in rows), Fraction(0)))


def _require_ready(session: Session, row: Merchant) -> None:
    if row.status != MerchantStatus.ACTIVE:
        raise StateConflict(
            "merchant", row.code, row.status, "须为营业状态才能退出；冻结的请先解冻",
            "only an active merchant can leave; unfreeze it first",
        )  # fmt: skip
    waiting = session.scalars(_ORDERS_WAITING, {"merchant": row.id, "now": now_of(session)}).all()
    if waiting:
        raise OrdersWaiting(row.code, waiting)
    open_ones = _disputes_of(session, row.code)
    if open_ones:
        raise DisputesOpen(row.code, open_ones)


def _disputes_of(session: Session, code: str) -> Sequence[str]:
    found = disputes.list_disputes(session, only_open=True)
    return [each.id for each in found if each.merchant == code]


def _record(session: Session, request: ChangeRequest, *, action: str, by: str) -> None:
    audit.record(
        session,
        actor=by,
        action=action,
        object=request.subject,
        before=request.before,
        after=request.payload,
        reason=request.reason,
    )


_OUT = text(
    """
    SELECT x.kind, sum(x.points) AS points,
           sum(settlement_fen(x.points, x.cost_num, x.cost_den)) AS fen
    FROM (
        SELECT l.kind, l.cost_num, l.cost_den, sum(b.posted) AS points
        FROM lot l JOIN account_balance b ON b.account_id = l.account_id
        WHERE l.issuer_id = :merchant AND b.posted <> 0 GROUP BY 1, 2, 3) x
    GROUP BY 1
    """
)
_BOUGHT = text(
    """
    SELECT j.details -> 'rates' -> t.line::text ->> 0 AS rate,
           CASE t.credit_id WHEN :prepaid THEN t.amount ELSE -t.amount END AS points
    FROM transfer t JOIN journal j ON j.id = t.journal_id
    WHERE :prepaid IN (t.debit_id, t.credit_id) AND j.kind IN ('prepay', 'prepay_return')
        AND t.booked_on > coalesce(
            (SELECT max(p.ends_on) FROM settlement_period p), '-infinity')
    """
)
_ORDERS_WAITING = text(
    """
    SELECT o.public_id FROM "order" o JOIN store s ON s.id = o.store_id
    WHERE o.state = 'awaiting_payment' AND o.until > :now AND (
        s.merchant_id = :merchant OR EXISTS (
            SELECT FROM order_line l WHERE l.order_id = o.id AND l.merchant_id = :merchant))
    ORDER BY o.id LIMIT 100
    """
)
