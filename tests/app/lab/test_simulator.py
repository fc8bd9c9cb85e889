"""Random events against a model, seeded; a longer run is `plaza lab simulate`."""

import secrets
from collections.abc import Iterator

import pytest

from app.lab.simulator import Diverged, Simulation
from config.database import Database
from migrations import run


@pytest.fixture(scope="module")
def playground(owner_url: str) -> Iterator[str]:
    run.create_district(owner_url, "playground", name="游乐场", sandbox=True)
    yield "playground"
    run.drop_district(owner_url, "playground")


@pytest.mark.parametrize("seed", [1, 2, 3, None])
def test_the_books_do_what_the_model_does(
    database: Database, playground: str, seed: int | None
) -> None:
    chosen = secrets.randbits(32) if seed is None else seed
    print(f"seed {chosen}")  # noqa: T201 - shown when it fails
    simulation = Simulation(database, playground, seed=chosen)

    for _ in range(150):
        simulation.step()
    simulation.finish()

    assert len(simulation.done) >= 10


def test_a_model_that_is_wrong_is_found(database: Database, playground: str) -> None:
    simulation = Simulation(database, playground, seed=1)
    simulation.model.posted["lot0"] += 1

    with pytest.raises(Diverged):
        simulation.compare()
