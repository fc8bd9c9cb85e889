"""What the points' room refuses."""

from datetime import datetime

from app.errors import AppError


class InsufficientPoints(AppError):
    """A burn needs more points than the member can spend."""

    def __init__(self, *, needed: int, spendable: int) -> None:
        super().__init__(
            f"积分不足：需要 {needed}，可用 {spendable} / "
            f"Not enough points: {needed} needed, {spendable} spendable"
        )
        self.needed = needed
        self.spendable = spendable


class NoBurnTerms(AppError):
    """No burn terms had begun at this instant."""

    def __init__(self, merchant: str, at: datetime) -> None:
        super().__init__(
            f"商户 {merchant} 在 {at:%Y-%m-%d %H:%M} 没有积分使用规则 / "
            f"No burn terms for merchant {merchant} at {at:%Y-%m-%d %H:%M}"
        )
        self.merchant = merchant
        self.at = at


class NoProgrammeInForce(AppError):
    """The district had no points policy at this instant."""

    def __init__(self, at: datetime) -> None:
        super().__init__(
            f"{at:%Y-%m-%d %H:%M} 没有生效的积分方案 / No programme in force at {at:%Y-%m-%d %H:%M}"
        )
        self.at = at


class DefinitionChanged(AppError):
    """The draft is not what was proposed; approve only what was read."""

    def __init__(self, rule: str, version: int) -> None:
        super().__init__(
            f"规则 {rule} 第 {version} 版的内容与提案不一致，请重新提出 / "
            f"Rule {rule} version {version} differs from its proposal; propose it again"
        )
        self.rule = rule
        self.version = version


class GiftLimitReached(AppError):
    """A member may give only so many points a day and a month."""

    def __init__(self, *, points: int, left: int) -> None:
        super().__init__(
            f"超出赠送限额：要赠 {points}，还可赠 {left} / "
            f"Above what may be given: {points} asked, {left} left"
        )
        self.points = points
        self.left = left
