"""The mapping of the public data set, recomputed by hand (O5)."""

from datetime import UTC, datetime
from pathlib import Path

import pandas
import pytest

from app.lab import dataset
from app.lab.dataset import DatasetTorn, SoldBasket


def test_the_first_baskets_are_those_of_the_file_by_time() -> None:
    first, second, third = dataset.read(3)

    assert first == SoldBasket(
        31198570044, 900, 330, datetime(2016, 12, 31, 22, 53, 26, tzinfo=UTC), (50,)
    )
    assert second.fens == (99,)
    assert third.id == 31198655051
    assert third.household == 1228


def test_the_whole_year_is_there_to_the_cent() -> None:
    baskets = dataset.read(10**9)

    assert len(baskets) == dataset.BASKETS == 155_848
    assert sum(len(basket.fens) for basket in baskets) == dataset.ROWS
    assert sum(sum(basket.fens) for basket in baskets) == 459_603_958
    assert (len(dataset.households(baskets)), len(dataset.stores(baskets))) == (2469, 457)


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    return tmp_path / "transactions.parquet"


def rows(**changes: object) -> dict[str, list[object]]:
    row: dict[str, object] = {
        "household_id": 1,
        "store_id": 2,
        "basket_id": 3,
        "sales_value": 1.5,
        "transaction_timestamp": pandas.Timestamp("2017-01-01 12:00"),
    }
    return {name: [value, changes.get(name, value)] for name, value in row.items()}


@pytest.mark.parametrize(
    "changes", [{"household_id": 9}, {"sales_value": -1.0}, {"store_id": 7}, {"sales_value": None}]
)
def test_a_torn_file_is_refused_and_says_why(torn: Path, changes: dict[str, object]) -> None:
    pandas.DataFrame(rows(**changes)).to_parquet(torn)

    with pytest.raises(DatasetTorn):
        dataset.read(1, path=torn)


def test_a_file_without_the_columns_is_refused(torn: Path) -> None:
    pandas.DataFrame({"basket_id": [1]}).to_parquet(torn)

    with pytest.raises(DatasetTorn):
        dataset.read(1, path=torn)


def test_half_a_file_is_refused(torn: Path) -> None:
    whole = dataset.locate().read_bytes()
    torn.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DatasetTorn):
        dataset.read(1, path=torn)
