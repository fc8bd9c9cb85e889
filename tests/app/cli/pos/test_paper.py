"""The paper of a till: forty columns, Chinese characters two wide."""

from datetime import UTC, date, datetime

from plaza_client import Expiry, Order, Receipt, Tender

from app.cli.pos import paper
from app.cli.pos.paper import WIDTH, Head, Sold

HEAD = Head(
    shop="湖滨茶馆", terminal_id="T1", cashier_id="007", at=datetime(2026, 11, 27, 4, tzinfo=UTC)
)
RECEIPT = Receipt(
    earned_points=95,
    burned_points=500,
    balance_points=1_234,
    next_expiry=Expiry(points=95, on=date(2027, 11, 30)),
    zh=["获得积分 95", "抵扣积分 500"],
    en=["Points earned 95", "Points burned 500"],
)
ORDER = Order(
    order_id="ord_01M83XK902CEJPCCXYZ3A6T7A8",
    number="T1-7KQ2-000012",
    state="paid",
    total_fen=10_000,
    burned_points=500,
    burned_fen=500,
    due_fen=9_500,
    earned_points=95,
    until=None,
    receipt=RECEIPT,
)


def test_a_receipt_looks_like_this() -> None:
    printed = paper.sale(
        HEAD,
        ORDER,
        [Sold(name="西湖龙井", amount_fen=10_000, quantity=2)],
        tenders=[Tender(name="wechat", fen=9_500)],
        member="张* 138****8000",
    )

    assert "\n".join(printed) == (
        "                湖滨茶馆\n"
        "             销售小票 SALE\n"
        "收银机 T1  收银员 007   2026-11-27 12:00\n"
        "单号 No.                  T1-7KQ2-000012\n"
        "订单      ord_01M83XK902CEJPCCXYZ3A6T7A8\n"
        "会员 Member              张* 138****8000\n"
        "----------------------------------------\n"
        "西湖龙井                         ¥100.00\n"
        "  × 2\n"
        "----------------------------------------\n"
        "合计 Total                       ¥100.00\n"
        "积分抵扣 500 Points               -¥5.00\n"
        "应付 Due                          ¥95.00\n"
        "微信支付 WeChat Pay               ¥95.00\n"
        "----------------------------------------\n"
        "获得积分 95\n"
        "抵扣积分 500\n"
        "Points earned 95\n"
        "Points burned 500"
    )
    assert max(map(paper.columns, printed)) == WIDTH


def test_what_is_too_long_for_a_line_takes_one_more() -> None:
    left, right = paper.row("长" * 18, "¥1,000.00").split("\n")

    assert paper.columns(left) == 36
    assert right.strip() == "¥1,000.00"
    assert paper.columns(right) == WIDTH
