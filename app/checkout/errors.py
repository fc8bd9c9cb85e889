"""What checkout refuses."""

from app.errors import AppError


class RefundExceedsRemaining(AppError):
    """A refund asks for more than is left; `remaining` says how much is (semantics 11).

    `unit` is "fen" or "quantity"; `line` is None where the whole order was asked.
    """

    def __init__(self, *, line: int | None, unit: str, asked: int, remaining: int) -> None:
        where_zh = "订单" if line is None else f"第 {line} 行"
        where_en = "order" if line is None else f"line {line}"
        unit_zh, unit_en = ("分", "fen") if unit == "fen" else ("件", "units")
        super().__init__(
            f"退款超出可退范围：{where_zh}申请 {asked} {unit_zh}，还可退 {remaining} {unit_zh} / "
            f"Refund exceeds what remains: {where_en} asks for {asked} {unit_en}, "
            f"{remaining} {unit_en} remain"
        )
        self.line = line
        self.unit = unit
        self.asked = asked
        self.remaining = remaining


class NotRefundable(AppError):
    """The line was sold as not refundable."""

    def __init__(self, line: int) -> None:
        super().__init__(f"第 {line} 行不可退款 / Line {line} is not refundable")
        self.line = line
