"""The replay as a page to look at: one HTML file, its plots drawn as SVG, no script, no network."""

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.lab import plots, report_coalition
from app.lab.coalition import Coalition
from app.lab.plots import INK, WARM, Series
from app.lab.replay import MADE_UP, Plan
from app.lab.summary import Summary
from config.database import Database

#: What the audit proves of the books (ledger/invariants.sql), in both languages.
INVARIANTS: Mapping[str, str] = {
    "the books sum to zero": "全部账户合计为零",
    "a balance is the sum of its transfers": "余额等于其转账之和",
    "a version counts its transfers": "版本号等于转账笔数",
    "every transfer names accounts of the books": "每笔转账的账户都在账上",
    "every transfer stands in a journal of its day": "每笔转账都在当日凭证中",
    "a journal has transfers": "每张凭证都有转账",
    "held is the sum of open holds": "冻结额等于未结冻结之和",
    "a reversal takes back what its journal says": "冲销额与凭证一致",
    "no transfer lies outside the months made ahead": "没有转账落在预建月份之外",
}
_FIGURES: Mapping[str, str] = {
    "baskets": "订单 orders",
    "lines": "商品行 lines",
    "members": "会员 members",
    "merchants": "商户 merchants",
    "net_fen": "实收 net paid",
    "earned": "发放积分 earned",
    "burned": "抵扣积分 burned",
    "refunded_fen": "退款 refunded",
    "clawed_back": "退回积分 clawed back",
    "outstanding": "未用积分 outstanding",
    "trial_balance": "试算平衡 trial balance",
    "audit": "核对 audit",
    "seconds": "秒 seconds",
    "orders_per_second": "每秒订单 orders per second",
}
_PARAMETERS: Mapping[str, str] = {
    "baskets": "购物篮 baskets",
    "seed": "种子 seed",
    "burn_share": "抵扣占比 share that burns",
    "refund_share": "退款占比 share refunded",
    "coupons": "活动券 campaigns",
}


def write_report(
    database: Database,
    district: str,
    path: Path,
    *,
    plan: Plan,
    summary: Summary,
    took: Sequence[float],
    coalition: Coalition | None = None,
) -> None:
    """Write the report of a district; `took` are milliseconds of the sales of this run.

    `coalition` is there where months were closed.
    """
    with database.transaction(district, read_only=True) as session:
        sections = [
            *_per_day(session),
            ("积分负债 / liability: points outstanding", _liability(session)),
            ("净额最大的商户：已发减已收 / largest net positions: issued less redeemed",
             _positions(session)),
            *(report_coalition.sections(coalition) if coalition else []),
            ("每单耗时（毫秒） / milliseconds per order", _latency(took)),
            ("不变量 / invariants", _invariants(sound=summary.audit == "ok")),
        ]  # fmt: skip
    page = _PAGE.format(
        tiles=_tiles(summary),
        parameters=" · ".join(
            f"{escape(_PARAMETERS[name])} <b>{escape(_figure(name, value))}</b>"
            for name, value in plan.to_json().items()
        ),
        digest=escape(summary.digest),
        made_up=escape(MADE_UP),
        body="".join(f"<h2>{escape(title)}</h2>{plot}" for title, plot in sections),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _tiles(summary: Summary) -> str:
    figures = summary.to_json()
    return "".join(
        f'<div class="tile"><span>{escape(title)}</span><b>{escape(_figure(name, figures[name]))}'
        "</b></div>"
        for name, title in _FIGURES.items()
    )


def _per_day(session: Session) -> list[tuple[str, str]]:
    rows = session.execute(_PER_DAY).all()
    labels: list[date] = [row.day for row in rows]
    orders = [Series(name="订单 orders", values=[row.orders for row in rows])]
    points = [
        Series(name="发放 earned", values=[int(row.earned) for row in rows]),
        Series(name="抵扣 burned", values=[int(row.burned) for row in rows], colour=WARM),
    ]
    return [
        ("每日订单 / orders per day", plots.days(labels, orders)),
        ("每日积分：发放与抵扣 / points per day: earned, burned", plots.days(labels, points)),
    ]


def _liability(session: Session) -> str:
    total = 0
    labels: list[date] = []
    values = []
    for row in session.execute(_LIABILITY):
        total += int(row.points)
        labels.append(row.day)
        values.append(total)
    return plots.days(
        labels, [Series(name="未用 outstanding", values=values, colour=INK)], filled=True
    )


def _positions(session: Session) -> str:
    rows = session.execute(_POSITIONS).all()
    top = max((abs(int(row.net)) for row in rows), default=1)
    lines = "".join(
        f'<tr><td>{escape(row.code)}</td><td class="n">{int(row.issued):,}</td>'
        f'<td class="n">{int(row.redeemed):,}</td><td class="n">{int(row.net):,}</td>'
        f"<td>{plots.bar(int(row.net), top)}</td></tr>"
        for row in rows
    )
    return (
        '<table><tr><th>商户 merchant</th><th class="n">已发 issued</th>'
        f'<th class="n">已收 redeemed</th><th class="n">净 net</th><th></th></tr>{lines}</table>'
    )


def _latency(took: Sequence[float]) -> str:
    if not took:
        return "<p>本次没有新的订单 / no new orders in this run</p>"
    ordered = sorted(took)
    p50, p99 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    marks = [(f"p50 {p50:.1f} ms", p50), (f"p99 {p99:.1f} ms", p99)]
    beyond = sum(value > p99 * 1.1 for value in took)
    return plots.histogram(took, upto=p99 * 1.1, marks=marks) + (
        f'<p class="note">更慢的 {beyond:,} 单未画出，最慢 {ordered[-1]:.0f} ms / '
        f"{beyond:,} slower ones are not drawn, the slowest took {ordered[-1]:.0f} ms</p>"
    )


def _invariants(*, sound: bool) -> str:
    sign = '<b class="ok">✔</b>' if sound else '<b class="broken">?</b>'
    rows = "".join(
        f"<li>{sign} {escape(zh)} / {escape(english)}</li>" for english, zh in INVARIANTS.items()
    )
    broken = "<p>核对发现问题，见命令输出 / the audit found faults: see the command's output</p>"
    return f'<ul class="plain">{rows}</ul>{"" if sound else broken}'


def _figure(name: str, value: object) -> str:
    if name.endswith("_fen") and isinstance(value, int):
        return f"¥{value / 100:,.2f}"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


_PER_DAY = text(
    "SELECT business_date AS day, count(*) AS orders, sum(earned_points) AS earned, "
    'sum(burned_points) AS burned FROM "order" GROUP BY 1 ORDER BY 1'
)
_LIABILITY = text(
    """
    SELECT t.booked_on AS day, sum(CASE WHEN t.credit_id < 1::bigint << 60 THEN t.amount ELSE 0 END)
        - sum(CASE WHEN t.debit_id < 1::bigint << 60 THEN t.amount ELSE 0 END) AS points
    FROM transfer t GROUP BY 1 ORDER BY 1
    """
)
_POSITIONS = text(
    """
    SELECT m.code, -i.posted AS issued, r.posted AS redeemed, -i.posted - r.posted AS net
    FROM merchant m
    JOIN account_balance i ON i.account_id = m.issued_account_id
    JOIN account_balance r ON r.account_id = m.redeemed_account_id
    ORDER BY abs(i.posted + r.posted) DESC, m.code LIMIT 15
    """
)
_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>回放报告 / replay report</title><style>
body {{ font: 15px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; max-width: 900px;
       margin: 2em auto; padding: 0 16px; color: #1f2933; background: #f6f8fa; }}
h1 {{ font-size: 1.6em; margin: 0 0 .2em; }} h2 {{ font-size: 1.05em; margin: 2em 0 .4em; }}
.note {{ color: #52606d; }} .legend {{ margin: 0 0 .3em; font-size: .9em; }}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(165px, 1fr));
         gap: 10px; margin: 1.2em 0; }}
.tile {{ background: #fff; border: 1px solid #e1e7ec; border-radius: 8px; padding: 10px 14px; }}
.tile span {{ display: block; font-size: .78em; color: #52606d; }} .tile b {{ font-size: 1.2em; }}
svg[role=img] {{ background: #fff; border: 1px solid #e1e7ec; border-radius: 8px; width: 100%; }}
svg text {{ font-size: 11px; fill: #52606d; }} svg text.mark {{ fill: #c2622d; }}
.grid {{ stroke: #e9eef2; }} .tick {{ stroke: #9aa5b1; }} svg.bar {{ vertical-align: middle; }}
table {{ border-collapse: collapse; width: 100%; background: #fff; border-radius: 8px; }}
td, th {{ padding: 4px 12px; text-align: left; border-bottom: 1px solid #e9eef2; }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
code {{ font-size: .85em; word-break: break-all; }}
ul.plain {{ list-style: none; padding: 0; }} .ok {{ color: #2e7d4f; }} .broken {{ color: #b00020; }}
</style></head><body>
<h1>回放报告 / replay report</h1>
<p class="note">数据来自公开数据集 completejourney（按真实购物规律模拟，金额以美分记为分）。
抵扣与退款为虚构，由种子和购物篮编号生成，收银员记为 {made_up}。 /
The data set is simulated from real shopping patterns; a cent is read as a fen. Burns and refunds
are made up from the seed and each basket's id; their cashier is {made_up}.</p>
<p>{parameters}</p>
<div class="tiles">{tiles}</div>
<p class="note">账目摘要 / digest of the books<br><code>{digest}</code></p>
{body}</body></html>
"""
