"""`plaza simulate` runs for its time and says how to run it again."""

from tests.app.cli.conftest import Plaza


def test_a_second_of_simulation_agrees_with_the_model(plaza: Plaza) -> None:
    printed = plaza("simulate", "--seconds", "1", "--seed", "7")

    assert "seed 7" in printed
    assert "✔" in printed.splitlines()[-1]
