"""What a replay ended with: counts, sums, the trial balance, the audit and the digest."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.lab.digest import digest
from ledger import statements


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A replay in figures; money in fen, points whole. `seconds` is of this run alone."""

    baskets: int
    lines: int
    members: int
    merchants: int
    net_fen: int
    earned: int
    burned: int
    refunded_fen: int
    clawed_back: int
    outstanding: int
    trial_balance: int
    audit: str
    seconds: float
    orders_per_second: float
    digest: str
    periods: Sequence[Mapping[str, object]] = ()
    breakage: Mapping[str, object] | None = None
    coupons: Mapping[str, object] | None = None

    def to_json(self) -> dict[str, object]:
        """Return the figures as one JSON object; `periods` and `breakage` where months were closed.

        What became of coupons stands beside the others, where campaigns ran.
        """
        figures = asdict(self)
        figures |= figures.pop("coupons") or {}
        if not self.periods:
            del figures["periods"], figures["breakage"]
        return figures


def summarise(
    session: Session,
    *,
    sold: int,
    seconds: float,
    sound: bool,
    periods: Sequence[Mapping[str, object]] = (),
    breakage: Mapping[str, object] | None = None,
    coupons: Mapping[str, object] | None = None,
) -> Summary:
    """Return the figures of a district, read from its books and orders.

    `net_fen` is the money paid for all orders, after points and before refunds; `clawed_back` the
    earned points that refunds took back; `outstanding` what members hold less what they owe;
    `periods` the months that were closed, `breakage` how its forecasts did; `coupons` what became
    of campaigns, where they ran.
    """
    sums = session.execute(_SUMS).one()
    return Summary(
        baskets=sums.baskets,
        lines=sums.lines,
        members=sums.members,
        merchants=sums.merchants,
        net_fen=int(sums.net_fen),
        earned=int(sums.earned),
        burned=int(sums.burned),
        refunded_fen=int(sums.refunded_fen),
        clawed_back=int(sums.clawed_back),
        outstanding=int(sums.outstanding),
        trial_balance=statements.trial_balance(session).get("points", 0),
        audit="ok" if sound else "broken",
        seconds=round(seconds, 1),
        orders_per_second=round(sold / seconds, 1) if seconds else 0.0,
        digest=digest(session),
        periods=periods,
        breakage=breakage,
        coupons=coupons,
    )


_SUMS = text(
    """
    SELECT (SELECT count(*) FROM "order") AS baskets,
           (SELECT count(*) FROM order_line) AS lines,
           (SELECT count(*) FROM member) AS members,
           (SELECT count(*) FROM merchant) AS merchants,
           (SELECT coalesce(sum(due_fen), 0) FROM "order") AS net_fen,
           (SELECT coalesce(sum(earned_points), 0) FROM "order") AS earned,
           (SELECT coalesce(sum(burned_points), 0) FROM "order") AS burned,
           (SELECT coalesce(sum(fen), 0) FROM refund) AS refunded_fen,
           (SELECT coalesce(sum(clawed_points - written_off_points), 0) FROM refund) AS clawed_back,
           (SELECT coalesce(sum(b.posted), 0) FROM lot l
            JOIN account_balance b ON b.account_id = l.account_id) AS outstanding
    """
)
