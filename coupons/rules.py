"""Pure arithmetic of discounts; whoever splits money or points splits it here."""

from collections.abc import Sequence
from fractions import Fraction


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` (fen or points) in proportion to `weights`, to the last unit.

    Largest remainder: each share is rounded down, and what is left goes one by one to the largest
    remainders, ties by position. The shares add up to `total`, a weight of zero gets nothing, and
    while `total` is at most the sum of the weights no share exceeds its weight (semantics 18).
    It is not monotone in `total`, so split once, at the sale, and store the shares (ADR 0004).

    Raises:
        ValueError: a negative amount, or something to split and nothing to split it by.
    """
    whole = sum(weights)
    if total == whole and (not weights or min(weights) >= 0):
        return list(weights)
    if total < 0 or min(weights, default=0) < 0:
        raise ValueError(f"cannot spread {total} over {list(weights)}: negative")
    if total == 0:
        return [0] * len(weights)
    if whole == 0:
        raise ValueError(f"cannot spread {total}: every weight is zero")
    shares = [total * weight // whole for weight in weights]
    left = total - sum(shares)
    if left:
        remainders = [total * weight % whole for weight in weights]
        # sorted() is stable in reverse too, so equal remainders keep their order.
        largest = sorted(range(len(weights)), key=remainders.__getitem__, reverse=True)
        for position in largest[:left]:
            shares[position] += 1
    return shares


def portion(part: int, amounts: Sequence[int]) -> list[int]:
    """Return what of each amount is in the first `part` of their sum, in proportion, to the fen.

    The parts add up, none exceeds its amount, and none ever falls as `part` grows: where `spread`
    would go back a step, this does not. The m-th fen of an amount `a` stands at (2m - 1) / 2a of
    the way, ties by position (the method of Sainte-Laguë, whose shares only grow).

    Raises:
        ValueError: a negative amount, or a part of more than there is.
    """
    whole = sum(amounts)
    if min(amounts, default=0) < 0 or not 0 <= part <= whole:
        raise ValueError(f"no part of {list(amounts)}: {part}")
    if not whole:
        return [0] * len(amounts)
    shares = [(2 * amount * part + whole) // (2 * whole) for amount in amounts]
    while sum(shares) > part:
        last = max(
            (Fraction(2 * share - 1, 2 * amount), position)
            for position, (share, amount) in enumerate(zip(shares, amounts, strict=True))
            if share
        )
        shares[last[1]] -= 1
    while sum(shares) < part:
        following = min(
            (Fraction(2 * share + 1, 2 * amount), position)
            for position, (share, amount) in enumerate(zip(shares, amounts, strict=True))
            if share < amount
        )
        shares[following[1]] += 1
    return shares
