"""The part of a replay's page that needs closed months: the map, the liability, the back-test."""

from html import escape

from app.lab import plots
from app.lab.coalition import OTHERS, Coalition, Map
from app.lab.plots import INK, Range, Series
from app.points.breakage import CONFIDENCE, Tested


def sections(found: Coalition) -> list[tuple[str, str]]:
    """Return the titles and the bodies of the sections, as HTML."""
    return [
        ("谁发的积分在谁那里用：行为发行，列为核销 / whose points were used where: issuers down, "
         "redeemers across", _map(found.map)),
        ("月末积分负债与预计不用 / liability at the ends of months, and what will expire",
         _liability(found)),
        ("回测：当时的预测与后来的事实 / back-test: what was foreseen and what came",
         _tested(found)),
    ]  # fmt: skip


def _map(found: Map) -> str:
    shown = {OTHERS: "其他 others"}
    names = [shown.get(name, name) for name in found.names]
    points = {
        (shown.get(row, row), shown.get(column, column)): value
        for (row, column), value in found.points.items()
    }
    return plots.heat(names, names, points, darkest=found.most) + (
        '<p class="note">所有已结账期合计，退回已扣除；对角线是商户收回自己的积分 / all closed '
        "periods, returns taken off; on the diagonal merchants take their own points</p>"
    )


def _liability(found: Coalition) -> str:
    expected = [
        None if month.total.breakage is None else month.total.breakage.points
        for month in found.months
    ]
    drawn = plots.months(
        [month.as_of.day for month in found.months],
        [Series(name="未用 outstanding", values=[month.total.points for month in found.months],
                colour=INK)],
        [Range(
            name=f"预计不用 expected breakage ({CONFIDENCE:.0%})",
            low=[None if each is None else each.low for each in expected],
            middle=[None if each is None else each.expected for each in expected],
            high=[None if each is None else each.high for each in expected],
        )],
    )  # fmt: skip
    missing = sum(each is None for each in expected)
    return drawn + (
        f'<p class="note">前 {missing} 个月末历史不足，不作估计；超出已见账龄的部分为外推 / at the '
        f"first {missing} there was too little history to estimate; ages that no point had reached "
        "yet are extrapolated</p>"
    )


def _tested(found: Coalition) -> str:
    if not found.tested:
        return "<p>历史不足，无可回测 / too little history to test anything</p>"
    inside = sum(each.inside for each in found.tested)
    return (
        '<table><tr><th>预测于 foreseen on</th><th>直到 until</th>'
        '<th class="n">当时未用 outstanding</th><th class="n">预测仍未用 unused, foreseen</th>'
        f'<th class="n">{CONFIDENCE:.0%}</th><th class="n">实际 came</th><th></th></tr>'
        f'{"".join(map(_tested_row, found.tested))}</table>'
        f'<p class="note">区间命中 {inside} / {len(found.tested)}。各预测只用当日前的数据，'
        "但终点相同，彼此不独立；数据一年，尚无积分到期，所以检验的是「到终点仍未用」 / "
        f"the interval held {inside} of {len(found.tested)}. Each forecast knew its own past "
        "alone; they end on the same day, so they are not independent. No point expires within "
        "the year: what is tested is what is unused at its end</p>"
    )  # fmt: skip


def _tested_row(each: Tested) -> str:
    sign = '<b class="ok">✔</b>' if each.inside else '<b class="broken">✘</b>'
    figures = (
        f"{each.outstanding:,}",
        f"{each.forecast.expected:,}",
        f"{each.forecast.low:,} – {each.forecast.high:,}",
        f"{each.unused:,}",
    )
    cells = "".join(f'<td class="n">{escape(figure)}</td>' for figure in figures)
    return f"<tr><td>{each.day}</td><td>{each.until}</td>{cells}<td>{sign}</td></tr>"
