"""Where a sample is made: who calls, in which transaction."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.lab.experiments.callers import Console, Desk, Person


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Who calls, and a member who stands at the till."""

    session: Session
    desk: Desk
    person: Person
    console: Console
