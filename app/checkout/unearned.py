"""What a refund takes back of coupons whose threshold is reached no more (semantics 5; ADR 0029).

A template may say so (`claw_back`; by default the allocation is kept). What such a coupon still
gives of what is kept is unearned: it is taken out of the money of the refund, never more than there
is of it, and stands on the tape like a roll back. What is still missing waits for the next refund.

In all refunds together the customer so gets the most that any state on the way there was worth: the
money back less what was unearned then. Hence sequences are equal whose last state is worth the
most, and all that end with everything back. Pure.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.checkout.discounts import Least, Stack
from app.checkout.returns import Delta, LineState, States
from app.checkout.rolling import Part, funded_back, kept_units, paid_by, rolled_back
from app.checkout.slices import Allocation


def without(
    delta: Delta, stack: Stack, sale: Allocation, rolled: Sequence[Part], after: States
) -> tuple[Delta, list[Part]]:
    """Return a refund less what it takes back of coupons, and what that is.

    `sale` is the tape as it was stored, `rolled` what was rolled back before, `after` the state in
    which the refund leaves the lines.
    """
    if all(use.least is None for use in stack.uses) or not delta.money_fen:
        return delta, []
    now = rolled_back(sale, rolled)
    clawed = paid_by(unearned(stack, sale, now, after), list(delta.money_fen.items()))
    if not clawed:
        return delta, []
    money = dict(delta.money_fen)
    for part in clawed:
        money[part.tender] -= part.fen
    back = funded_back(now, rolled_back(sale, [*rolled, *clawed]))
    taken = sum([part.fen for part in clawed])
    net = replace(
        delta,
        fen=delta.fen - taken,
        unearned_fen=taken,
        money_fen={name: fen for name, fen in money.items() if fen},
        funded_fen={
            key: delta.funded_fen.get(key, 0) + back.get(key, 0)
            for key in sorted({*delta.funded_fen, *back})
        },
    )
    return net, clawed


def unearned(
    stack: Stack, sale: Allocation, now: Allocation, states: States
) -> list[tuple[str, int, int]]:
    """Return what coupons give though too little is kept for them: (coupon, line, fen).

    Whether it is too little is told by the `sale` as it was stored, what they still give by the
    tape of `now`, after roll backs.
    """
    found = []
    for place, use in enumerate(stack.uses):
        before = [each.coupon for each in stack.uses[:place]]
        if use.least is None or _reached(use.least, sale, states, before):
            continue
        for line in now.lines:
            fen = _kept_fen(now, line.number, states, use.coupon)
            if fen:
                found.append((use.coupon, line.number, fen))
    return found


def _reached(least: Least, sale: Allocation, states: States, before: Sequence[str]) -> bool:
    """Whether what is kept of the goods that a coupon counts still reaches its threshold."""
    fen = quantity = 0
    for line in sale.lines:
        if line.number not in least.lines:
            continue
        state = states.get(line.number, LineState())
        fen += line.amount_fen - state.refunded_fen
        quantity += line.quantity - state.refunded_quantity
        if least.after:
            fen -= sum([_kept_fen(sale, line.number, states, coupon) for coupon in before])
    return fen >= least.fen and quantity >= least.quantity


def _kept_fen(allocation: Allocation, number: int, states: States, coupon: str) -> int:
    line = next(each for each in allocation.lines if each.number == number)
    return sum([count * fen for count, fen in kept_units(allocation, line, states, coupon)])
