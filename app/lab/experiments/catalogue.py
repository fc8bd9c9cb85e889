"""The experiments by name, and one run of one: a fresh district, its cases, its report."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from apiflask import APIFlask

from app.factory import create_app
from app.lab.experiments import (
    e16_replays,
    e17_idempotency,
    e18_access,
    e19_fields,
    e23_tokens,
    e24_guessing,
    e33_codes,
)
from app.lab.experiments.district import Lab, Size, opened
from app.lab.experiments.findings import Report, Tally
from config.settings import Settings


class Module(Protocol):
    """What a module of an experiment has: its name in both languages, how much it needs, itself."""

    TITLE: tuple[str, str]
    SIZE: Size
    SHORT_SIZE: Size

    def run(self, lab: Lab, tally: Tally, *, cases: int, dice: random.Random) -> None:
        """Ask, and count what came; `cases` of 0 means every one that there is."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment, and how many cases it takes; 0 is every one that there is."""

    module: Module
    full: int
    short: int


EXPERIMENTS: Mapping[str, Experiment] = {
    "E16": Experiment(module=e16_replays, full=10_000, short=300),
    "E17": Experiment(module=e17_idempotency, full=2_000, short=120),
    "E18": Experiment(module=e18_access, full=0, short=0),
    "E19": Experiment(module=e19_fields, full=0, short=800),
    "E23": Experiment(module=e23_tokens, full=500, short=140),
    "E24": Experiment(module=e24_guessing, full=100_000, short=2_000),
    "E33": Experiment(module=e33_codes, full=5_000, short=100),
}


def run(
    settings: Settings,
    name: str,
    *,
    seed: int,
    commit: str,
    short: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    create_app: Callable[[Settings], APIFlask] = create_app,
) -> Report:
    """Run one experiment in the district `lab`, made anew, against the application of `create_app`.

    Raises:
        NotASandbox: there is a real district `lab`; it is left alone.
        NoSample: a route takes a body of which no right one is known.
    """
    experiment = EXPERIMENTS[name]
    cases = experiment.short if short else experiment.full
    size = experiment.module.SHORT_SIZE if short else experiment.module.SIZE
    tally = Tally(total=cases, tell=tell)
    began = time.monotonic()
    with opened(settings, size, create_app=create_app) as lab:
        experiment.module.run(lab, tally, cases=cases, dice=random.Random(f"{name}:{seed}"))
        broken = lab.door.failed
        tally.hold(
            "answers of 500 and above", expected="0", got="; ".join(broken[:3]) or 0,
            threshold="0", met=not broken,
        )  # fmt: skip
    return Report(
        experiment=name,
        seed=seed,
        commit=commit,
        cases=tally.cases,
        seconds=round(time.monotonic() - began, 1),
        findings=tally.findings(),
        examples=tally.examples,
    )
