"""Bills as the gateways write them, made for tests: backticks and totals, GBK, tabs and `#`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

DAY = date(2026, 11, 27)

WECHAT_HEAD = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
WECHAT_TOTALS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
ALIPAY_HEAD = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,"
    "服务费（元）,分润（元）,备注"
)


@dataclass(frozen=True, kw_only=True)
class Money:
    """A payment of an order, or with `refund` a refund of it."""

    transaction: str
    order: str
    fen: int
    refund: str = ""
    refund_number: str = ""
    at: str | None = None


def yuan(fen: int) -> str:
    return f"{fen / 100:.2f}"


def wechat(rows: Sequence[Money], *, day: date = DAY) -> bytes:
    """Return a bill of WeChat Pay."""
    lines = [WECHAT_HEAD]
    for row in rows:
        back = bool(row.refund)
        cells = [
            row.at or f"{day} 10:00:00", "wx1", "1900000109", "0", "", row.transaction, row.order,
            "openid", "MICROPAY", "REFUND" if back else "SUCCESS", "OTHERS", "CNY",
            "0.00" if back else yuan(row.fen), "0.00", row.refund or "0",
            row.refund_number or "0", yuan(row.fen) if back else "0.00", "0.00",
            "ORIGINAL" if back else "", "SUCCESS" if back else "", "龙井,一斤", "", "0.01000",
            "0.60%", "0.00" if back else yuan(row.fen), yuan(row.fen) if back else "0.00", "",
        ]  # fmt: skip
        lines.append(",".join(f"`{cell}" for cell in cells))
    taken = sum(row.fen for row in rows if not row.refund)
    given = sum(row.fen for row in rows if row.refund)
    totals = [
        str(len(rows)), yuan(taken), yuan(given), "0.00", "0.01000", yuan(taken), yuan(given),
    ]  # fmt: skip
    lines += [WECHAT_TOTALS, ",".join(f"`{each}" for each in totals)]
    return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()


def alipay(rows: Sequence[Money], *, day: date = DAY) -> bytes:
    """Return a detail list of Alipay; the merchant receives a fen less of each payment."""
    bar = "#-----------------------------------------业务明细列表"
    lines = [
        "#支付宝业务明细查询",
        "#账号：[20881234567890120156]",
        f"#起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[{day:%Y年%m月%d日} 23:59:59]",
        f"{bar}----------------------------------------",
        ALIPAY_HEAD,
    ]
    for row in rows:
        sign = "-" if row.refund else ""
        received = row.fen if row.refund else row.fen - 1
        cells = [
            row.transaction, row.order, "退款" if row.refund else "交易", "龙井",
            f"{day} 10:00:00", row.at or f"{day} 10:00:00", "", "", "", "", "*明(138****8000)",
            sign + yuan(row.fen), sign + yuan(received), "0.00", "0.00", "0.00", "0.00", "0.00", "",
            "0.00", "0.00", row.refund, "0.00", "0.00", "",
        ]  # fmt: skip
        lines.append(",".join(f"{cell}\t" for cell in cells))
    taken = [row.fen - 1 for row in rows if not row.refund]
    given = [row.fen for row in rows if row.refund]
    lines += [
        f"{bar}结束------------------------------------",
        f"#交易合计：{len(taken)}笔，商家实收共{yuan(sum(taken))}元，商家优惠共0.00元",
        f"#退款合计：{len(given)}笔，商家实收退款共-{yuan(sum(given))}元，商家优惠退款共0.00元",
        "#导出时间：[2026年11月28日 09:30:00]",
    ]
    return ("\r\n".join(lines) + "\r\n").encode("gbk")
