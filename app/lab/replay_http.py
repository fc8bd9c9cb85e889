"""The same year as tills would send it: signed requests over HTTP, from several at once.

Same plan, same events, same numbers of the tills, so the same digest as in process. A member's
events stay in order, for the tills share them by household. Who burns shows the code that a phone
makes from its seed, and taps where dear points wait for that; seeds and taps come by the district's
own functions, since an address may sign in ten times an hour.

The sandbox's clock stands at the end of a business day while that day is sold, and moves on when
every till is through with it: what depends on the day of recording, such as where points of a
refund go, is then what it was.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import groupby

import requests
from plaza_client import Conflict, Line, NotFound, RefundPart, Tender, Till
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout.returns import RefundAmount, RefundQuantity, Request
from app.clock import business_date, day_start, server_now
from app.lab.replay import DISTRICT, MADE_UP, Event, numbers_done
from app.members import codes, confirming, devices, seeds
from app.members.identification import find_by_card
from app.members.presence import Mode
from app.merchants import keys
from app.merchants.directory import get_directory
from config.database import Database

_PLAIN_CASHIER = "replay"
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class StoreKey:
    """What the tills of one store sign with."""

    key_id: str
    secret: bytes


class Counter:
    """One of the tills that work side by side, with a connection of its own."""

    def __init__(
        self, *, base_url: str, database: Database, store_keys: Mapping[str, StoreKey]
    ) -> None:
        self._base_url = base_url
        self._database = database
        self._keys = store_keys
        self._connection = requests.Session()
        self._connection.trust_env = False  # No proxy stands between this machine and itself.
        self.done = 0
        self.took: list[float] = []

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def work(self, events: Sequence[Event]) -> None:
        """Do events in their order."""
        for event in events:
            till = self._till(event)
            if event.parts:
                order = till.find(number=str(event.basket.id))
                till.refund(
                    order.order_id,
                    number=event.number,
                    parts=[part for each in event.parts for part in _part(each)],
                    occurred_at=event.at,
                )
            else:
                began = time.perf_counter()
                self._sell(till, event)
                self.took.append((time.perf_counter() - began) * 1000)
            self.done += 1

    def _sell(self, till: Till, event: Event) -> None:
        lines = [
            Line(sku=str(number), name="商品", amount_fen=fen)
            for number, fen in enumerate(event.basket.fens, start=1)
        ]
        due, burn, household = sum(event.basket.fens), 0, str(event.basket.household)
        if event.burns:
            if _is_known(till, event.number):
                return  # Sold by a run that was killed: a quote now would find its points gone.
            known = till.identify(member_code=self._spend_code(household)).identification_id
            quoted = till.quote(lines=lines, identification_id=known, occurred_at=event.at)
            burn, due = quoted.may_burn_points, due - quoted.may_burn_fen
        else:
            known = till.identify(card_number=household).identification_id
        sell = partial(
            till.sell,
            number=event.number,
            lines=lines,
            tenders=[Tender(name="cash", fen=due)],
            identification_id=known,
            burn_points=burn,
            occurred_at=event.at,
        )
        try:
            sell()
        except Conflict as refused:
            if refused.burn_id is None:
                raise
            self._tap(refused.burn_id, household)
            sell(burn_confirmation=refused.burn_id)

    def _till(self, event: Event) -> Till:
        key = self._keys[f"S{event.basket.store}"]
        return Till(
            base_url=self._base_url,
            key_id=key.key_id,
            secret=key.secret,
            terminal_id="T1",
            cashier_id=MADE_UP if event.burns or event.parts else _PLAIN_CASHIER,
            connection=self._connection,
        )

    def _tap(self, burn: str, household: str) -> None:
        self._database.run(DISTRICT, lambda session: _confirm(session, burn, household))

    def _spend_code(self, household: str) -> str:
        return self._database.run(DISTRICT, lambda session: _show_code(session, household))


def work(
    database: Database,
    events: Sequence[Event],
    *,
    base_url: str,
    tills: int,
    tell: Callable[[int], None],
) -> list[float]:
    """Do events over HTTP, but those done already; return milliseconds of each sale.

    A sale is two requests, who and what; one that burns asks for a quote too. `tell` hears about
    once a second how many events are done. Killed anywhere, the next run goes on where this one
    was.
    """
    done = numbers_done(database)
    store_keys = database.run(DISTRICT, _store_keys)
    counters = [
        Counter(base_url=base_url, database=database, store_keys=store_keys) for _ in range(tills)
    ]
    passed = len(done)
    with ThreadPoolExecutor(tills) as pool:
        for day, todays in _by_day(event for event in events if event.number not in done):
            _set_clock(database, day)
            futures = [
                pool.submit(counter.work, [e for e in todays if e.basket.household % tills == part])
                for part, counter in enumerate(counters)
            ]
            while wait(futures, timeout=_LOOK_SECONDS).not_done:
                tell(passed + sum(counter.done for counter in counters))
            for future in futures:
                future.result()
            tell(passed + sum(counter.done for counter in counters))
    for counter in counters:
        counter.close()
    return [milliseconds for counter in counters for milliseconds in counter.took]


def _by_day(events: Iterable[Event]) -> Iterator[tuple[date, list[Event]]]:
    for day, todays in groupby(events, key=lambda event: business_date(event.at)):
        yield day, list(todays)


def _set_clock(database: Database, day: date) -> None:
    """Let a business day come to its last moment."""
    with database.transaction(DISTRICT) as session:
        session.execute(
            _CLOCK,
            {
                "clock": day_start(day + timedelta(days=1)) - timedelta(microseconds=1),
                "id": DISTRICT,
            },
        )


def _store_keys(session: Session) -> Mapping[str, StoreKey]:
    """Return a key for every store, by the store's code; those that are missing are made."""
    stores = get_directory(session).stores
    found = {
        stores[key.store_id].code: StoreKey(key_id=key.key_id, secret=key.secret)
        for key in keys.get_keys(session).values()
    }
    for store in sorted({each.code for each in stores.values()} - set(found)):
        asked = keys.propose(session, store=store, by="system:replay", reason="replay")
        made = keys.approve(session, asked.public_id, by="system:second")
        found[store] = StoreKey(key_id=made.key_id, secret=made.secret)
    return found


def _show_code(session: Session, household: str) -> str:
    """Sign a phone of the household in, and return the code that it shows to pay."""
    member = find_by_card(session, household)
    assert member is not None, f"household {household} was enrolled with the district"
    now = server_now(session)
    device = devices.open_on(session, member=member, source="web", now=now)
    seed = seeds.issue(session, device, now=now)
    return codes.write(seed.seed, alias=seed.alias, mode=Mode.SPEND, at=now)


def _confirm(session: Session, burn: str, household: str) -> None:
    """Tap on the phone of the household: these points may go."""
    member = find_by_card(session, household)
    assert member is not None, f"household {household} was enrolled with the district"
    confirming.confirm(session, burn, member=member, now=server_now(session))


def _is_known(till: Till, number: str) -> bool:
    try:
        till.find(number=number)
    except NotFound:
        return False
    return True


def _part(part: Request) -> list[RefundPart]:
    """Return a part as tills write it; the whole order is no part at all."""
    if isinstance(part, RefundQuantity):
        return [RefundPart(line=part.line, quantity=part.quantity)]
    if isinstance(part, RefundAmount):
        return [RefundPart(line=part.line, amount_fen=part.fen)]
    return [] if part.line is None else [RefundPart(line=part.line)]


_CLOCK = text("UPDATE public.district SET clock = :clock WHERE id = :id")
