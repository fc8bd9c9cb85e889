"""Money as people read it; everywhere else it is whole fen."""


def yuan(fen: int) -> str:
    """Return fen as yuan for people."""
    return f"¥{fen // 100:,}.{fen % 100:02d}" if fen >= 0 else f"-{yuan(-fen)}"
