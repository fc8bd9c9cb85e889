"""What a member's points pay of a sale: asked once, decided for what its coupons leave (B2, B4).

The search for the best coupons asks it too, where the district's programme counts points in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout.baskets import ALL_POINTS, Basket
from app.checkout.sharing import SaleLine
from app.clock import business_date, day_start
from app.merchants.directory import ListedMerchant
from app.merchants.models import MayBurn
from app.points import burns
from app.points.burning import Burn, Burning, burn, may_burn, worth_fen
from app.points.lots import HeldLot, Wallet
from app.points.programme import burn_terms_at, programme_at
from coupons.candidates import Points

NO_BURN = Burn(points=0, value_fen=0)

#: No points are asked for, but stored value counts as saving.
NO_POINTS = Points(pays=lambda *_: 0, counted=True)


@dataclass(frozen=True, kw_only=True)
class Spending:
    """All that decides what points pay of a sale, but its lines; `asked` may be `ALL_POINTS`.

    `nothing` is what is known of the order before it has any.
    """

    wallet: Wallet
    merchant: ListedMerchant
    day: date
    asked: int
    nothing: Burning

    def decide(self, lines: Sequence[SaleLine]) -> tuple[Burn, Sequence[tuple[int, int]]]:
        """Return what points pay of the lines, and how many of which lot.

        Raises:
            InsufficientPoints: more is asked than the wallet may spend here.
        """
        usable = usable_lots(
            self.wallet,
            self.merchant,
            lines,
            day=self.day,
            point_value_fen=self.nothing.point_value_fen,
        )
        balance = self._balance([points for _, points in usable])
        order = replace(
            self.nothing,
            order_fen=sum([line.payable_fen for line in lines]),
            burnable_fen=sum([line.burnable_fen for line in lines]),
        )
        if self.asked == ALL_POINTS:
            decided = may_burn(order, balance_points=balance)
        else:
            decided = burn(order, asked_points=self.asked, balance_points=balance)
        if not decided.value_fen:
            return Burn(points=0, value_fen=0, limits=decided.limits), []
        return decided, burns.draw(usable, decided.points)

    def counted(self, lines: Sequence[SaleLine]) -> Points | None:
        """Return what points would pay of whatever coupons leave of these lines, as `decide` does.

        None: that is no matter of sums, for of several merchants one alone accepts some of them.
        """
        lots = _spendable(self.wallet, self.merchant, lines, day=self.day)
        if bound(lots, lines):
            return None
        balance = self._balance([lot.free for lot in lots])
        most = balance if self.asked == ALL_POINTS else min(self.asked, balance)
        return counted(self.nothing, most_points=most)

    def _balance(self, points: Iterable[int]) -> int:
        return max(sum(points) - self.wallet.debt_points(self.day), 0)


def counted(nothing: Burning, *, most_points: int) -> Points:
    """Return what so many points pay at most, for the search to count as saving.

    `nothing` is what is known of an order before it has any lines. Where coupons leave more of it,
    points may stop below a share of it that less did not reach: by a point, which may cost a whole
    unit.
    """
    unit_fen = worth_fen(nothing.terms.min_unit_points, point_value_fen=nothing.point_value_fen)
    return Points(
        pays=lambda order_fen, burnable_fen: (
            may_burn(
                replace(nothing, order_fen=order_fen, burnable_fen=burnable_fen),
                balance_points=most_points,
            ).value_fen
        ),
        counted=True,
        slip_fen=unit_fen + 1 if nothing.terms.max_share < 1 else 0,
    )


def spending_of(session: Session, basket: Basket, wallet: Wallet) -> Spending:
    """Return what decides a basket's points, as of the instant at which it burns.

    No SQL when warm but one statement where the terms set a daily limit.
    """
    own, at = basket.terminal.store.merchant, basket.burns_at
    terms = burn_terms_at(session, merchant=own.public_id, tier=wallet.member.tier, at=at)
    day, burned_today = business_date(at), 0
    if terms.daily_limit_points is not None:
        burned_today = _burned_on(session, wallet, day)
    return Spending(
        wallet=wallet,
        merchant=own,
        day=day,
        asked=basket.burn_points,
        nothing=Burning(
            order_fen=0,
            burnable_fen=0,
            point_value_fen=programme_at(session, at).point_value_fen,
            terms=terms,
            burned_today_points=burned_today,
        ),
    )


def usable_lots(
    wallet: Wallet,
    merchant: ListedMerchant,
    lines: Sequence[SaleLine],
    *,
    day: date,
    point_value_fen: Fraction,
) -> list[tuple[int, int]]:
    """Return (lot, points) that may pay for an order at a merchant on a day, in the order of B4.

    Of points that one merchant alone accepts, as many as are worth no more than its lines.
    """
    lots = _spendable(wallet, merchant, lines, day=day)
    only = bound(lots, lines)
    room = {
        each: fen * point_value_fen.denominator // point_value_fen.numerator
        for each, fen in _burnable_fen(lines).items()
    }
    usable = []
    for lot in lots:
        points = lot.free
        if lot.account_id in only:
            points = min(points, room[only[lot.account_id]])
            room[only[lot.account_id]] -= points
        usable.append((lot.account_id, points))
    return usable


def bound(lots: Iterable[HeldLot], lines: Sequence[SaleLine]) -> dict[int, int]:
    """Return the merchant whose lines alone a lot may pay for, by lot; none where all are its."""
    if len(_burnable_fen(lines)) < 2:
        return {}
    return {
        lot.account_id: lot.meaning.restriction_merchant_id
        for lot in lots
        if lot.meaning.restriction_merchant_id is not None
    }


def _spendable(
    wallet: Wallet, merchant: ListedMerchant, lines: Sequence[SaleLine], *, day: date
) -> list[HeldLot]:
    may = merchant.terms_at(day).may_burn
    if may is MayBurn.NONE:
        return []
    return wallet.spendable(
        day, merchants=_burnable_fen(lines), issuer_id=merchant.id if may is MayBurn.OWN else None
    )


def _burnable_fen(lines: Sequence[SaleLine]) -> dict[int, int]:
    """Return what points may pay for, by merchant; merchants with nothing to pay are left out."""
    fen: dict[int, int] = {}
    for line in lines:
        if line.burnable_fen:
            fen[line.merchant_id] = fen.get(line.merchant_id, 0) + line.burnable_fen
    return fen


def _burned_on(session: Session, wallet: Wallet, day: date) -> int:
    burned = session.scalar(
        _BURNED_ON,
        {
            "member": wallet.member.id,
            "day": day,
            "start": day_start(day),
            "end": day_start(day + timedelta(days=1)),
            "now": wallet.now,
        },
    )
    return int(burned or 0)


# An exchange keeps the day of its first sale, but its points are spent when it is recorded. A burn
# that is captured is an order. Three looks by index, so that a long history costs nothing.
_BURNED_ON = text(
    """
    WITH same AS (
        SELECT ARRAY(SELECT id FROM member WHERE id = :member OR merged_into_id = :member) AS person
    )
    SELECT coalesce((
        SELECT sum(burned_points) FROM "order"
        WHERE member_id = ANY (same.person) AND business_date = :day AND kind <> 'exchange'
            AND (state = 'paid' OR (state = 'awaiting_payment' AND until > :now))), 0)
        + coalesce((
        SELECT sum(burned_points) FROM "order"
        WHERE member_id = ANY (same.person) AND kind = 'exchange'
            AND recorded_at >= :start AND recorded_at < :end
            AND (state = 'paid' OR (state = 'awaiting_payment' AND until > :now))), 0)
        + coalesce((
        SELECT sum(points) FROM burn
        WHERE member_id = ANY (same.person) AND recorded_at >= :start AND recorded_at < :end
            AND state = 'authorised' AND until > :now), 0)
    FROM same
    """
)
