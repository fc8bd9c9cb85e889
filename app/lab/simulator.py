"""Random events on real books, step by step beside a small model that keeps them in its head.

Seeded: the same seed does the same things. Earn, burn over several lots, hold, capture, void,
expiry of holds, reversal, repeats of a key with the same and with other content, batches with a
verdict each, connections killed around COMMIT, clock jumps, roll-ups and quick audits in between.
After every step the touched balances must be the model's; at the end the auditor is asked.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import ledger
from config.database import Database, new_id
from config.errors import OutcomeUnknown
from ledger import HoldState, Journal, NewAccount, Posting, Unit, holds, statements, upkeep

T = TypeVar("T")

LOTS = 6
START = datetime(2026, 1, 15, 4, tzinfo=UTC)


class Diverged(AssertionError):
    """The books and the model disagree; the seed and the step lead there again."""


@dataclass
class Model:
    """What the books must say: balances, open holds, journals by key and what they captured."""

    posted: dict[str, int] = field(default_factory=dict)
    holds: dict[str, tuple[str, int, datetime]] = field(default_factory=dict)
    journals: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)
    reversed: dict[str, int] = field(default_factory=dict)
    captured: dict[str, str] = field(default_factory=dict)

    def held(self, lot: str) -> int:
        """Return what open holds keep of a lot; dead ones are freed by the ledger's own steps."""
        return sum(amount for name, amount, _ in self.holds.values() if name == lot)

    def free(self, lot: str) -> int:
        """Return what of a lot may be spent."""
        return self.posted[lot] - self.held(lot)

    def move(self, postings: list[tuple[str, str, int]]) -> None:
        """Move amounts from debit to credit."""
        for debit, credit, amount in postings:
            self.posted[debit] -= amount
            self.posted[credit] += amount


class Simulation:
    """One run: a set of accounts of its own in a sandbox district, a model, and dice."""

    def __init__(self, database: Database, district: str, *, seed: int) -> None:
        self.database = database
        self.district = district
        self.dice = random.Random(seed)
        self.model = Model()
        self.mark = new_id("sim")
        self.now = START
        self.done: dict[str, int] = {}
        with database.transaction(district, at=self.now) as session:
            upkeep.open_books(session, start=START.date(), through=START.date())
            self.wallet = ledger.open_wallets(session, [self.mark])[self.mark]
            points = Unit.POINTS
            wanted = [
                NewAccount(name=f"{self.mark}:shop", code="issued", unit=points, exact=False),
                NewAccount(name=f"{self.mark}:till", code="redeemed", unit=points, exact=False),
                *(
                    NewAccount(
                        name=f"{self.mark}:lot{n}", code="lot", unit=points, floor=0,
                        wallet_id=self.wallet,
                    )
                    for n in range(LOTS)
                ),
            ]  # fmt: skip
            opened = ledger.open_accounts(session, wanted)
        self.ids = {name.split(":")[1]: account for name, account in opened.items()}
        self.model.posted = dict.fromkeys(self.ids, 0)

    def step(self) -> None:
        """Do one random thing and compare."""
        act = self.dice.choices(
            [self.earn, self.burn, self.hold, self.capture, self.void, self.expire, self.reverse,
             self.repeat, self.batch, self.killed, self.jump, self.upkeep],
            [8, 8, 5, 4, 2, 1, 3, 3, 2, 2, 1, 2],
        )[0]  # fmt: skip
        act()
        self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
        self.compare()

    def finish(self) -> None:
        """Audit the whole district and compare once more.

        Raises:
            Diverged: an invariant is broken.
        """
        with self.database.transaction(self.district, repeatable_read=True) as session:
            violations = upkeep.audit_all(session)
        if violations:
            raise Diverged(str(violations[:3]))
        self.compare()

    def compare(self) -> None:
        """Compare balances and holds with the model.

        Raises:
            Diverged: they differ.
        """
        with self.database.transaction(self.district, read_only=True) as session:
            found = statements.balances(session, list(self.ids.values()))
        for name, account in self.ids.items():
            wanted = (self.model.posted[name], self.model.held(name))
            if (found[account].posted, found[account].held) != wanted:
                raise Diverged(f"{name}: {found[account]} is not {wanted}")

    def earn(self) -> None:
        """Give points to a lot."""
        self.post(self.key(), [("shop", self.lot(), self.dice.randint(1, 50))])

    def burn(self) -> None:
        """Take points from one to three lots; more than there is must be refused whole."""
        chosen = self.dice.sample(range(LOTS), self.dice.randint(1, 3))
        self.post(self.key(), [(f"lot{n}", "till", self.dice.randint(1, 60)) for n in chosen])

    def hold(self) -> None:
        """Set points aside for a while."""
        lot, amount = self.lot(), self.dice.randint(1, 40)
        key, until = self.key(), self.now + timedelta(minutes=self.dice.randint(1, 30))
        fits = self.model.free(lot) >= amount

        def place(session: Session) -> None:
            holds.place(
                session, key=key, amounts={self.ids[lot]: amount}, until=until,
                wallet_id=self.wallet,
            )  # fmt: skip

        if self.refused(place) == fits:
            raise Diverged(f"hold of {amount} on {lot}: fits is {fits}")
        if fits:
            self.model.holds[key] = (lot, amount, until)

    def capture(self) -> None:
        """Capture all or less of a hold, dead ones included: those must be refused."""
        if not self.model.holds:
            return
        hold = self.dice.choice(sorted(self.model.holds))
        lot, amount, until = self.model.holds[hold]
        taken = self.dice.randint(1, amount)
        alive = self.now < until
        key = self.key()
        if self.refused(self.posting(key, [(lot, "till", taken)], hold=hold)) == alive:
            raise Diverged(f"capture of {hold}: alive is {alive}")
        if alive:
            del self.model.holds[hold]
            self.record(key, [(lot, "till", taken)])
            self.model.captured[key] = hold

    def void(self) -> None:
        """Give a hold back."""
        if not self.model.holds:
            return
        hold = self.dice.choice(sorted(self.model.holds))
        state = self.run(lambda session: holds.void(session, key=hold))
        if state is not HoldState.VOIDED:
            raise Diverged(f"void of {hold}: {state}")
        del self.model.holds[hold]

    def expire(self) -> None:
        """Sweep dead holds, or lock the wallet, which ends its own."""
        if self.dice.random() < 0.5:
            self.run(holds.expire)
        else:
            self.run(lambda session: ledger.lock_wallet(session, self.wallet))
        self.model.holds = {
            key: each for key, each in self.model.holds.items() if self.now < each[2]
        }

    def reverse(self) -> None:
        """Take back part of a journal's first line; never more than is left of it."""
        if not self.model.journals:
            return
        original = self.dice.choice(sorted(self.model.journals))
        debit, credit, amount = self.model.journals[original][0]
        left = amount - self.model.reversed.get(original, 0)
        wanted = self.dice.randint(1, amount)
        fits = wanted <= left and (credit == "till" or self.model.free(credit) >= wanted)
        key = self.key()

        def take_back(session: Session) -> None:
            ledger.reverse(
                session, original=original, key=key, kind="reversal", occurred_at=self.now,
                amounts={1: wanted},
            )  # fmt: skip

        if self.refused(take_back) == fits:
            raise Diverged(f"reversal of {wanted}/{left} of {original}: fits is {fits}")
        if fits:
            self.model.reversed[original] = amount - left + wanted
            self.model.move([(credit, debit, wanted)])

    def repeat(self) -> None:
        """Send a key again, with the same content and with other."""
        if not self.model.journals:
            return
        key = self.dice.choice(sorted(self.model.journals))
        postings = self.model.journals[key]
        if self.dice.random() < 0.5:
            again = self.journal(key, postings, hold=self.model.captured.get(key))
            if not self.run(lambda session: ledger.post(session, [again])[0].replayed):
                raise Diverged(f"{key} was recorded twice")
        elif not self.refused(self.posting(key, [("shop", "till", 1)])):
            raise Diverged(f"{key} was taken again with other content")

    def batch(self) -> None:
        """Post several journals with a verdict each."""
        wanted = [
            (self.key(), [("shop", self.lot(), self.dice.randint(1, 9))])
            if self.dice.random() < 0.5
            else (self.key(), [(self.lot(), "till", self.dice.randint(1, 30))])
            for _ in range(self.dice.randint(2, 8))
        ]
        verdicts = self.run(
            lambda session: ledger.post_many(
                session, [self.journal(key, postings) for key, postings in wanted]
            )
        )
        for (key, postings), verdict in zip(wanted, verdicts, strict=True):
            fits = self.fits(postings)
            if isinstance(verdict, ledger.LedgerError) == fits:
                raise Diverged(f"{key} in a batch: {verdict}, fits is {fits}")
            if fits:
                self.record(key, postings)

    def killed(self) -> None:
        """Lose the connection before or at COMMIT; only the same key again tells the truth."""
        key, postings = self.key(), [("shop", self.lot(), self.dice.randint(1, 50))]
        late = self.dice.random() < 0.5
        try:
            with self.database.transaction(self.district, at=self.now) as session:
                if late:
                    ledger.post(session, [self.journal(key, postings)])
                session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        except (DBAPIError, OutcomeUnknown):
            self.run(lambda session: ledger.post(session, [self.journal(key, postings)]))
            self.record(key, postings)
            return
        raise Diverged("a transaction outlived its connection")

    def jump(self) -> None:
        """Let time pass, sometimes a lot; or step back a little."""
        self.now += timedelta(minutes=self.dice.choice([-3, 1, 5, 20, 240]))

    def upkeep(self) -> None:
        """Roll up deferred balances and look at what is new."""
        self.run(upkeep.roll_up)
        with self.database.transaction(self.district, repeatable_read=True) as session:
            violations = upkeep.audit_recent(session)
        if violations:
            raise Diverged(str(violations[:3]))

    def key(self) -> str:
        """Return a key that is new, and the same for the same dice."""
        return f"{self.mark}:{self.dice.getrandbits(64):x}"

    def lot(self) -> str:
        """Return one of the lots."""
        return f"lot{self.dice.randrange(LOTS)}"

    def journal(
        self, key: str, postings: list[tuple[str, str, int]], *, hold: str | None = None
    ) -> Journal:
        """Return the journal of postings by name."""
        return Journal(
            key=key,
            kind="simulated",
            occurred_at=self.now,
            hold=hold,
            postings=[
                Posting(debit_id=self.ids[debit], credit_id=self.ids[credit], amount=amount)
                for debit, credit, amount in postings
            ],
        )

    def posting(
        self, key: str, postings: list[tuple[str, str, int]], *, hold: str | None = None
    ) -> Callable[[Session], object]:
        """Return the work of posting one journal."""
        return lambda session: ledger.post(session, [self.journal(key, postings, hold=hold)])

    def post(self, key: str, postings: list[tuple[str, str, int]]) -> None:
        """Post a journal and hold the verdict against the model."""
        fits = self.fits(postings)
        if self.refused(self.posting(key, postings)) == fits:
            raise Diverged(f"{postings}: fits is {fits}")
        if fits:
            self.record(key, postings)

    def fits(self, postings: list[tuple[str, str, int]]) -> bool:
        """Whether the model would let these postings through."""
        return all(
            not debit.startswith("lot") or self.model.free(debit) >= amount
            for debit, _, amount in postings
        )

    def record(self, key: str, postings: list[tuple[str, str, int]]) -> None:
        """Write postings into the model."""
        self.model.move(postings)
        self.model.journals[key] = postings

    def refused(self, work: Callable[[Session], object]) -> bool:
        """Run work; whether the ledger refused it."""
        try:
            self.run(work)
        except ledger.LedgerError:
            return True
        return False

    def run(self, work: Callable[[Session], T]) -> T:
        """Run work in a transaction at the simulation's own instant."""
        return self.database.run(self.district, work, at=self.now)
