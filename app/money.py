"""Money as people read it; everywhere else it is whole fen."""

from fractions import Fraction


def yuan(fen: int) -> str:
    """Return fen as yuan for people."""
    return f"¥{fen // 100:,}.{fen % 100:02d}" if fen >= 0 else f"-{yuan(-fen)}"


def worth_fen(points: int, rate: Fraction) -> int:
    """Return whole fen of so many points at an exact rate, half a fen away from zero.

    As the settlement rounds (`settlement_fen`), so that figures of both agree.
    """
    amount = points * rate
    rounded = (2 * abs(amount.numerator) + amount.denominator) // (2 * amount.denominator)
    return rounded if amount >= 0 else -rounded
