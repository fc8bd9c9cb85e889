"""`plaza pos offline` and `upload`: selling while the line is down, and sending it afterwards."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import click
from plaza_client import Captured, Malformed, Till, Verdict

from app.checkout.baskets import BasketLine, Tender
from app.cli.parameters import Instant
from app.cli.pos import paper
from app.cli.pos.asking import (
    as_lines,
    as_tenders,
    at_till,
    head,
    lines_option,
    ready,
    say,
    tenders_option,
)
from app.cli.pos.coupons import check, refresh_keys, take
from app.cli.pos.desk import Desk
from app.cli.pos.journal import LIMIT_ORDERS, Batch, Journal
from app.cli.pos.paper import Sold

_TIMES_MORE_PATIENT = 6  # A full batch takes a server some seconds.
_PLACE = re.compile(r"/orders/(\d+)")


@click.command()
@lines_option
@tenders_option
@click.option("--phone", help="会员手机号，只积分 / the member's phone; earns alone.")
@click.option("--code", help="会员码，只积分 / the member code; earns alone.")
@click.option("--coupon", "token", metavar="TOKEN", help="离线券 / an offline coupon, OCT1.….")
@click.option("--at", type=Instant(), help="业务时间，缺省现在 / business time; now by default.")
@at_till
def offline(
    desk: Desk,
    *,
    lines: Sequence[BasketLine],
    tenders: Sequence[Tender],
    phone: str | None,
    code: str | None,
    token: str | None,
    at: datetime | None,
) -> None:
    """断网销售：先记在本机，之后 upload / sell without a network; kept here until `upload`.

    \b
    plaza pos offline --line 128.50:tea:龙井 --phone 13800138000
    plaza pos offline --line 128.50:tea:龙井 --coupon OCT1.…
    """
    if phone is not None and code is not None:
        raise click.UsageError("手机号、会员码只给一个 / name the member by phone or by code")
    wanted = as_lines(lines)
    coupon = None if token is None else check(desk, token, at=at or datetime.now(UTC))
    discount_fen = coupon.discount_fen(wanted) if coupon else 0
    due_fen = sum(line.amount_fen for line in wanted) - discount_fen
    paid = as_tenders(tenders, due_fen=due_fen)
    if due_fen != sum(tender.fen for tender in paid):
        raise click.UsageError("支付合计须等于应付 / the tenders must add up to what is due")
    with desk.alone():
        sale = Captured(
            number=desk.next_number(),
            occurred_at=at or datetime.now(UTC),
            lines=wanted,
            tenders=paid,
            phone=phone,
            member_code=code,
            cashier_id=desk.profile().cashier_id,
            offline_coupon=token if discount_fen else None,
        )
        if coupon is not None and discount_fen:
            take(desk, coupon, number=sale.number)
        Journal(desk).capture(sale)
    printed = paper.captured(
        head(desk, at=sale.occurred_at),
        sale.number,
        Sold.of(wanted),
        tenders=paid,
        discount_fen=discount_fen,
    )
    say(desk, sale, printed)


@click.command()
@click.option(
    "--again", is_flag=True, help="连同曾被拒绝的再送 / those that were refused once more too."
)
@click.option(
    "--size",
    type=click.IntRange(1, LIMIT_ORDERS),
    default=LIMIT_ORDERS,
    show_default=True,
    help="每批笔数 / sales in a batch.",
)
@at_till
def upload(desk: Desk, *, again: bool, size: int) -> None:
    """上传离线单；可随时中断再来，不会重复销售 / send what waits; stopped anywhere, it sells once.

    \b
    plaza pos upload
    """
    judged: list[tuple[str, Verdict]] = []
    with ready(desk):
        journal = Journal(desk)
    # Sales go on meanwhile: the journal grows at its end, and what is sent is written down.
    with (
        desk.alone(lock="upload.lock"),
        desk.connect(keeps=False, times=_TIMES_MORE_PATIENT) as till,
    ):
        while True:
            done = {number for number, _ in judged}
            waiting = [sale.number for sale in journal.waiting(again=again)]
            batch = journal.next_batch(
                size=size, among=[number for number in waiting if number not in done]
            )
            if batch is None:
                break
            try:
                fresh = _send(till, batch)
            except Malformed:
                journal.drop_batch()
                raise
            journal.judge(fresh)
            judged += [(sale.number, verdict) for sale, verdict in fresh]
            if not desk.in_json:
                for sale, verdict in fresh:
                    say(desk, verdict, paper.verdict(sale.number, verdict))
        refresh_keys(desk, till)
    _conclude(desk, judged)


def _send(till: Till, batch: Batch) -> list[tuple[Captured, Verdict]]:
    """Return what became of a batch; of one with wrong values, what became of those sales alone.

    Nothing of such a batch was sold: the rest goes into the next one.

    Raises:
        Malformed: it does not say which of them are wrong.
    """
    try:
        return list(zip(batch.sales, till.upload(batch.sales, key=batch.key), strict=True))
    except Malformed as refused:
        places = [_PLACE.match(fault["pointer"]) for fault in refused.faults]
        wrong = sorted({int(place[1]) for place in places if place})
        if not wrong:
            raise
        verdict = Verdict(status=refused.status, code=refused.code, detail=refused.detail)
        return [(batch.sales[position], verdict) for position in wrong]


def _conclude(desk: Desk, judged: Sequence[tuple[str, Verdict]]) -> None:
    """Say how many went through; refused ones end the command with 1."""
    refused = sum(verdict.order is None for _, verdict in judged)
    accepted = len(judged) - refused
    say(
        desk,
        {
            "accepted": accepted,
            "refused": refused,
            "verdicts": [{"number": number, **asdict(verdict)} for number, verdict in judged],
        },
        [f"已上传 accepted {accepted}，被拒 refused {refused}"],
    )
    if refused:
        raise click.exceptions.Exit(1)
