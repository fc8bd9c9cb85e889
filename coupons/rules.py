"""Pure arithmetic of discounts; whoever splits money or points splits it here."""

from collections.abc import Sequence


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
