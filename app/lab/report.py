"""The replay as a page to look at: one HTML file, its plots drawn as SVG, no script, no network."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.lab.replay import Plan
from app.lab.summary import Summary
from config.database import Database

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 860, 220, 70, 24


def write_report(
    database: Database,
    district: str,
    path: Path,
    *,
    plan: Plan,
    summary: Summary,
    took: Sequence[float],
) -> None:
    """Write the report of a district; `took` are milliseconds of the sales of this run."""
    with database.transaction(district, read_only=True) as session:
        sections = [
            ("每日订单 / orders per day", _orders(session)),
            ("每日积分：发放与抵扣 / points per day: earned, burned", _points(session)),
            ("积分负债 / points outstanding", _liability(session)),
            ("净额最大的商户：已发减已收 / largest net positions: issued less redeemed",
             _positions(session)),
            ("每单耗时（毫秒） / milliseconds per order", _latency(took)),
        ]  # fmt: skip
    figures = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(_figure(value))}</td></tr>"
        for name, value in {**plan.to_json(), **summary.to_json()}.items()
    )
    body = "".join(f"<h2>{escape(title)}</h2>{plot}" for title, plot in sections)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_PAGE.format(figures=figures, body=body), encoding="utf-8")


def _orders(session: Session) -> str:
    rows = session.execute(_PER_DAY).all()
    return _lines([str(row.day) for row in rows], [[row.orders for row in rows]])


def _points(session: Session) -> str:
    rows = session.execute(_PER_DAY).all()
    series = [[int(row.earned) for row in rows], [int(row.burned) for row in rows]]
    legend = (
        '<p><span style="color:#2f6f9f">■</span> 发放 earned　'
        '<span style="color:#b3541e">■</span> 抵扣 burned</p>'
    )
    return legend + _lines([str(row.day) for row in rows], series)


def _liability(session: Session) -> str:
    total = 0
    days, values = [], []
    for row in session.execute(_LIABILITY):
        total += int(row.points)
        days.append(str(row.day))
        values.append(total)
    return _lines(days, [values])


def _positions(session: Session) -> str:
    rows = session.execute(_POSITIONS).all()
    top = max((abs(int(row.net)) for row in rows), default=1)
    bars = "".join(
        f'<tr><td>{escape(row.code)}</td><td class="n">{int(row.issued):,}</td>'
        f'<td class="n">{int(row.redeemed):,}</td><td class="n">{int(row.net):,}</td>'
        f'<td><svg width="320" height="14"><rect width="{320 * abs(int(row.net)) // top}" '
        f'height="14" fill="{"#2f6f9f" if row.net >= 0 else "#b3541e"}"/></svg></td></tr>'
        for row in rows
    )
    return (
        "<table><tr><th>商户 merchant</th><th>已发 issued</th><th>已收 redeemed</th>"
        f"<th>净 net</th><th></th></tr>{bars}</table>"
    )


def _latency(took: Sequence[float]) -> str:
    if not took:
        return "<p>本次没有新的订单 / no new orders in this run</p>"
    ordered = sorted(took)
    edge = ordered[int(len(ordered) * 0.99)]
    buckets = [0] * 40
    for value in took:
        buckets[min(int(value / edge * 39), 39)] += 1
    labels = [f"{edge * index / 39:.1f}" for index in range(40)]
    p50 = ordered[len(ordered) // 2]
    return f"<p>p50 {p50:.1f} ms · p99 {edge:.1f} ms</p>" + _lines(labels, [buckets])


def _lines(labels: Sequence[str], series: Sequence[Sequence[int]]) -> str:
    """Draw lines over labels; the first and last label and the highest value are written."""
    if not labels:
        return "<p>没有数据 / nothing to show</p>"
    top = max([1, *(value for line in series for value in line)])
    step = (_WIDTH - _LEFT - 10) / max(len(labels) - 1, 1)
    drawn = []
    for line, colour in zip(series, ("#2f6f9f", "#b3541e"), strict=False):
        points = " ".join(
            f"{_LEFT + index * step:.1f},{_HEIGHT - _BOTTOM - value / top * 180:.1f}"
            for index, value in enumerate(line)
        )
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
    base = _HEIGHT - _BOTTOM
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH}" y2="{base}" stroke="#999"/>'
        f'<text x="{_LEFT - 6}" y="20" text-anchor="end">{top:,}</text>'
        f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">0</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{escape(labels[0])}</text>'
        f'<text x="{_WIDTH - 4}" y="{_HEIGHT - 6}" text-anchor="end">{escape(labels[-1])}</text>'
        + "".join(drawn)
        + "</svg>"
    )


def _figure(value: object) -> str:
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
<html lang="zh-CN"><head><meta charset="utf-8"><title>回放 / replay</title><style>
body {{ font: 15px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; max-width: 900px;
       margin: 2em auto; color: #222; }}
h1 {{ font-size: 1.5em; }} h2 {{ font-size: 1.05em; margin: 1.6em 0 .3em; }}
svg text {{ font-size: 11px; fill: #555; }} table {{ border-collapse: collapse; }}
td, th {{ padding: 2px 12px 2px 0; text-align: left; border-bottom: 1px solid #eee; }}
td.n {{ text-align: right; }} .note {{ color: #666; }}
</style></head><body>
<h1>回放报告 / replay report</h1>
<p class="note">数据来自公开数据集 completejourney（按真实购物规律模拟）；
抵扣与退款为虚构，由种子和购物篮编号生成。 / The data set is simulated from real shopping patterns;
burns and refunds are made up from the seed and each basket's id.</p>
<table>{figures}</table>{body}</body></html>
"""
