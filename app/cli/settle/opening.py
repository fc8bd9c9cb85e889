"""The group `plaza settle`, and the options that its commands share."""

import click

from app.errors import Invalid
from app.settlement.periods import Month


class _Month(click.ParamType[Month]):
    """A month such as 2017-03."""

    name = "MONTH"

    def convert(
        self, value: str | Month, param: click.Parameter | None, ctx: click.Context | None
    ) -> Month:
        if isinstance(value, Month):
            return value
        try:
            return Month.parse(value)
        except Invalid as refused:
            self.fail(str(refused), param, ctx)


of_period = click.option(
    "--period", "month", type=_Month(), required=True, help="账期，如 2017-03 / a month."
)
of_merchant = click.option("--merchant", required=True, help="商户编号 / a merchant's code.")


@click.group()
def settle() -> None:
    """商户间结算：按月结账、对账单、矩阵 / settlement between merchants, to exactly zero.

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
    plaza settle donations show
    plaza settle losses show
    plaza settle dispute open --period 2017-03 --merchant tea --caption expired --yuan 2 …
    """
