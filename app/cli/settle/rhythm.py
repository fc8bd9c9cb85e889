"""`plaza settle periods …`: how often the district closes, agreed by two people."""

from app.cli.setting import add_setting
from app.cli.settle.opening import settle
from app.settlement.spans import RHYTHM


@settle.group()
def periods() -> None:
    """账期长度：按月、半月或周；当前账期结束后生效 / how long periods are, from the next one on.

    \b
    plaza settle periods show
    plaza settle periods propose --set every=half-month --reason 加快回款 --as lin
    plaza settle periods approve chg_01J… --as wang
    """


add_setting(
    periods,
    RHYTHM,
    meanings={"every": "month、half-month 或 week / a month, half a month or a week"},
    propose=RHYTHM.propose,
    readers={"every": str},
    parent="settle ",
)
