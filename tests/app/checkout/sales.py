"""Random sales and refunds of them, for the property tests of sharing and returning."""

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.checkout.sharing import Gift, SaleLine, allocate, share
from app.checkout.slices import Allocation, Funded
from app.points.policy import ReturnFirst
from coupons.rules import spread

AMOUNTS = st.one_of(st.integers(0, 12), st.integers(0, 100_000), st.just(0))


def sell(
    lines: Sequence[SaleLine],
    *,
    tenders: Sequence[tuple[str, int]],
    lots: Sequence[tuple[int, int]] = (),
    only: Mapping[int, int] | None = None,
    value_fen: int = 0,
    earned_points: Sequence[int] = (),
    gifts: Sequence[Gift] = (),
    first: ReturnFirst = ReturnFirst.MONEY,
) -> Allocation:
    """Share a sale and write its tape, as an order does."""
    shared = share(
        lines, tenders=tenders, lots=lots, only=only, value_fen=value_fen, gifts=gifts, first=first
    )
    return allocate(shared, earned_points=earned_points)


@st.composite
def sales(draw: DrawFn) -> Allocation:
    """Draw a shared sale: merchants, units, tenders, lots and coupons; points cheap or dear."""
    amounts = draw(st.lists(AMOUNTS, min_size=1, max_size=5))
    discounts = [draw(st.one_of(st.just(0), st.integers(0, amount))) for amount in amounts]
    gifts = _gifts(draw, discounts)
    if not gifts:
        discounts = [0] * len(amounts)
    lines = [
        SaleLine(
            number=number,
            merchant_id=draw(st.integers(1, 3)),
            quantity=draw(st.one_of(st.just(1), st.integers(1, 7))),
            amount_fen=amount,
            refundable=draw(st.sampled_from([True, True, True, True, False])),
            discount_fen=discount,
        )
        for number, (amount, discount) in enumerate(zip(amounts, discounts, strict=True), start=1)
    ]
    total = sum(amounts) - sum(discounts)
    value = draw(st.one_of(st.just(0), st.just(total), st.integers(0, total)))
    shares = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    money = spread(total - value, shares)
    uses = draw(st.lists(st.integers(1, 2_000), min_size=1, max_size=4)) if value else []
    tenders = [(f"tender-{index}", fen) for index, fen in enumerate(money)]
    lots = [(100 + index, points) for index, points in enumerate(uses)]
    bound = draw(st.dictionaries(st.sampled_from([100, 101, 102]), st.integers(1, 3), max_size=2))
    earned = [
        draw(st.integers(0, (amount - discount) // 2))
        for amount, discount in zip(amounts, discounts, strict=True)
    ]
    first = draw(st.sampled_from(ReturnFirst))
    try:
        return sell(
            lines, tenders=tenders, lots=lots, only=bound, value_fen=value, earned_points=earned,
            gifts=gifts, first=first,
        )  # fmt: skip
    except ValueError:  # The points bound to a merchant are worth more than its lines.
        return sell(
            lines, tenders=tenders, lots=lots, value_fen=value, earned_points=earned, gifts=gifts,
            first=first,
        )  # fmt: skip


def _gifts(draw: DrawFn, discounts: Sequence[int]) -> list[Gift]:
    """Draw how up to three funders share what coupons take off every line."""
    weights = draw(st.lists(st.integers(1, 5), max_size=3))
    shares = [spread(discount, weights) if weights else [] for discount in discounts]
    return [
        Gift(of=Funded(f"cpn_{index}", f"funder-{index}"), shares=[each[index] for each in shares])
        for index in range(len(weights))
    ]


@st.composite
def requests(draw: DrawFn, allocation: Allocation) -> Request:
    """Draw one refund, possible or not."""
    line = draw(st.sampled_from(allocation.lines))
    number = draw(st.one_of(st.just(line.number), st.none()))
    limit = line.amount_fen if number else sum(x.amount_fen for x in allocation.lines)
    return draw(
        st.one_of(
            st.builds(RefundQuantity, line=st.just(line.number), quantity=st.integers(1, 3)),
            st.builds(RefundAmount, line=st.just(number), fen=st.integers(1, limit + 1)),
            st.builds(RefundWhole, line=st.just(number)),
        )
    )
