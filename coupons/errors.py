"""What the coupon engine refuses. Nothing has been written when one of these is raised."""


class CouponError(Exception):
    """Root of the coupon engine's refusals."""


class BadTemplate(CouponError):
    """A template's document says something that it may not say; `path` names the field."""

    def __init__(self, path: str, zh: str, en: str) -> None:
        super().__init__(f"{path}：{zh} / {path}: {en}")
        self.path = path
        self.zh = zh
        self.en = en


class FundersExhausted(CouponError):
    """Nobody who pays for the coupon has enough left for this discount (semantics 36)."""

    def __init__(self, missing_fen: int) -> None:
        super().__init__(
            f"出资额度不足，还差 {missing_fen} 分 / the funders' caps leave {missing_fen} fen unpaid"
        )
        self.missing_fen = missing_fen
