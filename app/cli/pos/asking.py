"""What the commands of a till share: their options, how they speak, how they end."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import click
from plaza_client import (
    Conflict,
    Exchange,
    Identification,
    Line,
    Order,
    PlazaError,
    Refund,
    RefundPart,
    Refused,
    RolledBack,
    Tender,
    Till,
    Unanswered,
)

from app.checkout.baskets import BasketLine
from app.checkout.baskets import Tender as PaidTender
from app.cli import parameters
from app.cli.acting import as_json
from app.cli.pos import paper
from app.cli.pos.desk import Answer, Desk
from app.cli.pos.paper import Head, Sold

#: How a command ends when nobody knows whether it was done; a refusal ends with 1.
NO_ANSWER = 3

Command = Callable[..., None]

_TAP_SECONDS = 120
_LOOK_SECONDS = 2
_UNKNOWN = (
    "✘ 没有应答，不知是否已完成，请勿重复销售。网络恢复后运行\n"
    "  plaza pos repeat，或直接做下一笔：会先查明这一笔\n"
    "  No answer: nobody knows whether it was done, so do not do it again.\n"
    "  Run plaza pos repeat when the line is back, or go on: it is settled first"
)

pass_desk = click.make_pass_decorator(Desk)
lines_option = click.option(
    "--line",
    "lines",
    type=parameters.Line(),
    multiple=True,
    required=True,
    help="商品行 / a line; repeat.",
)
tenders_option = click.option(
    "--pay",
    "tenders",
    type=parameters.PaidBy(),
    multiple=True,
    help="支付；缺省全部现金 / a tender; all in cash by default.",
)


def at_till(function: Command) -> Command:
    """Make a command of a till: it may print JSON, and ends with words when Plaza says no."""

    @as_json
    @pass_desk
    @wraps(function)
    def command(desk: Desk, /, *, in_json: bool, **given: Any) -> None:
        desk.in_json = in_json
        try:
            function(desk, **given)
        except PlazaError as error:
            _tell_error(desk, error)
            raise click.exceptions.Exit(
                NO_ANSWER if isinstance(error, Unanswered) else 1
            ) from error

    return command


@dataclass(frozen=True, kw_only=True)
class Who:
    """How the member at the till was named; `identification` is that of an earlier command."""

    phone: str | None = None
    code: str | None = None
    card: str | None = None
    identification: str | None = None

    def find(self, till: Till) -> tuple[Identification | None, str | None]:
        """Return the member, if one was named just now, and the identification to sell by.

        Raises:
            click.UsageError: two are named.
        """
        known = identify(till, phone=self.phone, code=self.code, card=self.card)
        return known, self.identification or (known.identification_id if known else None)


def member_options(function: Command) -> Command:
    """Let a command name the member who stands at the till, in one of four ways: its `who`."""

    @wraps(function)
    def command(
        *words: Any,
        phone: str | None,
        code: str | None,
        card: str | None,
        identification: str | None,
        **given: Any,
    ) -> None:
        who = Who(phone=phone, code=code, card=card, identification=identification)
        function(*words, who=who, **given)

    for option in (
        click.option("--phone", help="手机号，只积分 / phone; earns alone."),
        click.option("--code", help="会员码，92 开头可抵扣 / member code; 92… may burn."),
        click.option("--card", help="卡号，只积分 / card number; earns alone."),
        click.option("--identification", help="已识别的会员 / an identification, idn_…."),
    ):
        command = option(command)
    return command


def identify(
    till: Till, *, phone: str | None, code: str | None, card: str | None
) -> Identification | None:
    """Return the member who is named, or None.

    Raises:
        click.UsageError: two are named.
    """
    if sum(each is not None for each in (phone, code, card)) > 1:
        raise click.UsageError(
            "手机号、会员码、卡号只给一个 / name the member by one of phone, code, card"
        )
    if phone is None and code is None and card is None:
        return None
    return till.identify(member_code=code, phone=phone, card_number=card)


def shown(known: Identification | None) -> str:
    """Return a member as the cashier confirms him: masked."""
    return "" if known is None else " ".join(filter(None, (known.name, known.phone)))


@contextmanager
def ready(desk: Desk) -> Iterator[Till]:
    """Lend the till's client, alone on its files, once the write without an answer is through.

    A write that this command sends is forgotten when it was answered, be it by a refusal.

    Raises:
        Unanswered: there is still no answer to the write before.
    """
    with desk.alone(), desk.connect() as till:
        before = desk.finish(till)
        if before is not None:
            _tell_before(desk, before)
        try:
            yield till
        except Refused:
            desk.answered()
            raise
        desk.answered()


def once_tapped(call: Callable[[str | None], Order]) -> Order:
    """Return what a call returns, once the member has tapped where dear points wait for that.

    `call` is given the confirmation to send along; it sends the same number and a fresh key.

    Raises:
        Conflict: no tap came in time, or something else stands against it.
    """
    deadline, confirmation = time.monotonic() + _TAP_SECONDS, None
    while True:
        try:
            return call(confirmation)
        except Conflict as refused:
            if refused.burn_id is None or time.monotonic() > deadline:
                raise
            if confirmation is None:
                click.echo(f"{refused.detail_zh}\n{refused.detail_en}", err=True)
            confirmation = refused.burn_id
            time.sleep(_LOOK_SECONDS)


def find(till: Till, order: str) -> Order:
    """Return an order by its id or by this till's own number."""
    return till.get(order) if order.startswith("ord_") else till.find(number=order)


def head(desk: Desk, *, at: datetime | None = None) -> Head:
    """Return the top of a paper, of now unless said otherwise."""
    profile = desk.profile()
    return Head(
        shop=profile.shop,
        terminal_id=profile.terminal_id,
        cashier_id=profile.cashier_id,
        at=at or datetime.now(UTC),
    )


def say(desk: Desk, value: object, lines: Sequence[str]) -> None:
    """Print an answer: as paper for people, as one line of JSON for programs."""
    if desk.in_json:
        click.echo(json.dumps(plain(value), ensure_ascii=False, default=str))
        return
    for line in lines:
        click.echo(line)


def papers(desk: Desk, answer: Answer | Refused) -> list[str]:
    """Return what became of a write whose answer came late, as paper."""
    if isinstance(answer, Refused):
        return [f"✘ {answer.detail}"]
    if isinstance(answer, Order):
        return paper.sale(head(desk), answer, [])
    if isinstance(answer, Refund):
        return paper.refund(head(desk), answer)
    if isinstance(answer, Exchange):
        return paper.exchange(head(desk), answer, [], tenders=[])
    if isinstance(answer, RolledBack):
        return paper.roll_back(head(desk), answer)
    return [f"{len(answer)} 笔 / sales"]


def plain(value: Any) -> Any:
    """Return what the client returned, or refused, as JSON fields."""
    if isinstance(value, Refused):
        return {
            "status": value.status,
            "code": value.code,
            "detail": value.detail,
            "errors": list(value.faults),
            "instance": value.instance,
        }
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def as_lines(lines: Sequence[BasketLine]) -> list[Line]:
    """Return lines as they were typed, as the client sends them."""
    return [
        Line(
            sku=line.sku,
            name=line.name,
            category=line.category,
            amount_fen=line.amount_fen,
            quantity=line.quantity,
            merchant_id=line.merchant,
        )
        for line in lines
    ]


def sold_of(order: Order) -> list[Sold]:
    """Return the lines of an order that was looked up, as they are printed."""
    return [
        Sold(name=line.name, amount_fen=line.amount_fen, quantity=line.quantity)
        for line in order.lines
    ]


def as_tenders(tenders: Sequence[PaidTender], *, due_fen: int) -> list[Tender]:
    """Return tenders as the client sends them: all that is due in cash unless they are named."""
    if not tenders:
        return [Tender(name="cash", fen=due_fen)]
    return [Tender(name=tender.name, fen=tender.fen) for tender in tenders]


def part_of(line: int | None, quantity: int | None, amount: str | None) -> list[RefundPart]:
    """Return the part that goes back; none is all that is left.

    Raises:
        click.UsageError: units of no line, or no sum of money.
    """
    if quantity is not None and (line is None or amount is not None):
        raise click.UsageError(
            "--quantity 需要 --line，且不能与 --amount 同用 / needs --line alone"
        )
    try:
        fen = None if amount is None else parameters.fen_of(amount)
    except ValueError:
        raise click.UsageError("--amount 应为金额，如 12.50 / wanted: yuan") from None
    part = RefundPart(line=line, quantity=quantity, amount_fen=fen)
    return [] if part == RefundPart() else [part]


def _tell_before(desk: Desk, before: Answer | Refused) -> None:
    """Say on the side what became of the write before, for the cashier and not for programs."""
    click.echo("上一笔当时没有应答，现已查明 / the one before had no answer; now it has:", err=True)
    for line in papers(desk, before):
        click.echo(line, err=True)
    click.echo("", err=True)


def _tell_error(desk: Desk, error: PlazaError) -> None:
    if desk.in_json:
        said = {"code": "no-answer", "detail": str(error)}
        if isinstance(error, Refused):
            said = plain(error)
        click.echo(json.dumps({"error": said}, ensure_ascii=False))
    elif isinstance(error, Refused):
        click.echo(f"✘ {error.detail_zh}\n  {error.detail_en}", err=True)
        click.echo(f"  {error.code} {error.instance}", err=True)
    elif isinstance(error, Unanswered) and error.write is None:
        click.echo(
            f"✘ 没有应答，什么也没做\n  No answer; nothing was done\n  {error.reason}", err=True
        )
    else:
        click.echo(_UNKNOWN, err=True)
