"""The group `plaza settle`, and the options that its commands share."""

import click

from app.errors import Invalid
from app.settlement.spans import Span


class _Span(click.ParamType[Span]):
    """A period such as 2017-03, 2017-03-H1 or 2017-W09."""

    name = "PERIOD"

    def convert(
        self, value: str | Span, param: click.Parameter | None, ctx: click.Context | None
    ) -> Span:
        if isinstance(value, Span):
            return value
        try:
            return Span.parse(value)
        except Invalid as refused:
            self.fail(str(refused), param, ctx)


of_period = click.option(
    "--period",
    "span",
    type=_Span(),
    required=True,
    help="账期：月 2017-03、半月 2017-03-H1 或周 2017-W09 / a month, half a month or a week.",
)
of_merchant = click.option("--merchant", required=True, help="商户编号 / a merchant's code.")


@click.group()
def settle() -> None:
    """商户间结算：按账期结账、对账单、矩阵 / settlement between merchants, to exactly zero.

    \b
    plaza settle close --period 2017-03
    plaza settle list
    plaza settle statement --period 2017-03 --merchant tea
    plaza settle statement --period 2017-03 --all --format pdf --out statements
    plaza settle vouchers --period 2017-03 --merchant tea --out tea.csv
    plaza settle parties --period 2017-03
    plaza settle matrix --period 2017-03
    plaza settle entries --period 2017-03 --merchant tea --caption issued
    plaza settle pay --period 2017-03 --merchant tea --yuan 47.31 --reference B1 --as wang
    plaza settle periods show
    plaza settle donations show
    plaza settle losses show
    plaza settle dispute open --period 2017-03 --merchant tea --caption expired --yuan 2 …
    """
