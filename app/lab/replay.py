"""A year of a real-looking mall through the real system: sold, earned, burned, refunded, audited.

Mapping, so that anyone can compute it again: the first N baskets by (time, basket id); a store is
a merchant with one store; a household is a member; a row is a line of quantity 1; business time is
the row's time less five hours, read as Shanghai; one rule, a point for each whole yuan of net paid.
Burns and refunds are made up, drawn from the seed and the basket's own id, and marked so: their
cashier is `made-up`, and the till's number of a refund begins with R. With coupons the year's
campaigns run too (`campaigns`), and an article is known by its product's number.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import audit
from app.checkout import orders, refunds
from app.checkout.baskets import ALL_POINTS, Basket, BasketLine, Tender
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.errors import StateConflict
from app.lab import replay_coupons
from app.lab.campaigns import Campaigns
from app.lab.dataset import SoldBasket, households, stores
from app.lab.paying import due_fen
from app.members import enrolment
from app.members.arrivals import NewMember
from app.members.identification import find_by_card
from app.members.models import Source
from app.merchants import registration
from app.merchants.directory import get_directory
from app.merchants.models import Funding, MayBurn
from app.merchants.registration import NewMerchant, NewStore
from app.merchants.terms import Terms
from app.points import programme, rules
from app.points.definitions import Definition, Kind
from app.points.policy import BurnTerms
from app.points.rules import Names
from app.wiring import build
from config.database import Database
from config.errors import UnknownDistrict
from config.settings import Settings
from ledger import upkeep
from migrations import run

DISTRICT = "replay"
MADE_UP = "made-up"
LONG_AGO = datetime(2016, 1, 1, tzinfo=UTC)
LONGEST_RETURN = timedelta(days=14)

#: How many times the usual limits a store may send: a year of its sales comes within minutes.
PACE = 1_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What makes a replay what it is: the same plan gives the same books."""

    baskets: int
    seed: int
    burn_share: float
    refund_share: float
    coupons: bool = False

    def to_json(self) -> dict[str, object]:
        """Return the plan as it is kept with the district; of coupons only where there are some."""
        return {
            "baskets": self.baskets,
            "seed": self.seed,
            "burn_share": self.burn_share,
            "refund_share": self.refund_share,
            **({"coupons": True} if self.coupons else {}),
        }


@dataclass(frozen=True, slots=True)
class Event:
    """A sale, or (with `parts`) a refund of it; in the order of business time.

    Where campaigns run, `products` are what the lines hold and `coupons` the codes that are tried.
    """

    at: datetime
    basket: SoldBasket
    burns: bool
    parts: tuple[Request, ...] = ()
    products: tuple[int, ...] = ()
    coupons: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """The till's own number of it."""
        return f"R{self.basket.id}" if self.parts else str(self.basket.id)


class OtherPlan(StateConflict):
    """The district was filled by another plan; finishing it with this one would mix them."""

    def __init__(self, known: object) -> None:
        super().__init__(
            "replay",
            DISTRICT,
            str(known),
            "已有另一方案的回放，请去掉 --resume",
            "another plan: drop --resume",
        )


def events(
    baskets: Sequence[SoldBasket], plan: Plan, campaigns: Campaigns | None = None
) -> list[Event]:
    """Return sales and made-up refunds in time order; each basket's dice are its own."""
    found = []
    products = campaigns.products if campaigns else {}
    tries = campaigns.tries if campaigns else {}
    for basket in baskets:
        dice = random.Random(f"{plan.seed}:{basket.id}")
        burns = dice.random() < plan.burn_share
        found.append(
            Event(
                at=basket.sold_at,
                basket=basket,
                burns=burns,
                products=products.get(basket.id, ()),
                coupons=tries.get(basket.id, ()),
            )
        )
        if dice.random() < plan.refund_share and any(basket.fens):
            later = timedelta(seconds=dice.randrange(3600, int(LONGEST_RETURN.total_seconds())))
            found.append(Event(basket.sold_at + later, basket, burns, (_part(basket, dice),)))
    return sorted(found, key=lambda event: (event.at, event.basket.id, bool(event.parts)))


def _part(basket: SoldBasket, dice: random.Random) -> Request:
    priced = [number for number, fen in enumerate(basket.fens, start=1) if fen]
    line = dice.choice(priced)
    kind = dice.randrange(4)
    if kind == 0:
        return RefundWhole()
    if kind == 1:
        return RefundAmount(fen=dice.randint(1, sum(basket.fens)))
    if kind == 2:
        return RefundAmount(fen=dice.randint(1, basket.fens[line - 1]), line=line)
    return RefundQuantity(line=line, quantity=1)


def open_district(settings: Settings, baskets: Sequence[SoldBasket], plan: Plan) -> None:
    """Make the district anew: merchants, members, terms, rule, partitions; no sale yet.

    Raises:
        NotASandbox: there is a `replay` that is no sandbox; it is left alone.
    """
    owner_url = settings.database.owner_url
    if DISTRICT in run.migrate(owner_url):
        run.drop_district(owner_url, DISTRICT)
    run.create_district(owner_url, DISTRICT, name="回放 / replay", sandbox=True, pace=PACE)
    services = build(settings, pool_size=1, statement_timeout_seconds=120)
    with services.database.transaction(DISTRICT, at=baskets[0].sold_at) as session:
        upkeep.open_books(
            session,
            start=(baskets[0].sold_at - timedelta(days=1)).date(),
            through=(baskets[-1].sold_at + LONGEST_RETURN + timedelta(days=1)).date(),
        )
        trades = sorted(get_directory(session).trades)
        registration.register_many(
            session,
            [_merchant(store, trades[store % len(trades)]) for store in stores(baskets)],
            by="system:replay",
        )
        enrolment.enrol_many(
            session,
            [
                NewMember(source=Source.IMPORT, card_number=str(household))
                for household in households(baskets)
            ],
        )
        _agree(session)
        audit.record(
            session,
            actor="system:replay",
            action="replay.begin",
            object=f"district:{DISTRICT}",
            after=plan.to_json(),
        )
    services.close()


def begun(database: Database, plan: Plan) -> bool:
    """Return whether there is a replay to finish: one killed while its district was made has none.

    Raises:
        OtherPlan: it was begun by another plan.
    """
    try:
        with database.transaction(DISTRICT, read_only=True) as session:
            known = session.scalar(_BEGUN)
    except UnknownDistrict:
        return False
    if known not in (None, plan.to_json()):
        raise OtherPlan(known)
    return known is not None


def _agree(session: Session) -> None:
    rule = rules.propose(
        session,
        code="yuan",
        definition=Definition(
            kind=Kind.BASE, rate=Fraction(1, 100), excluded_categories=frozenset()
        ),
        names=Names(zh="一元一分", en="A point a yuan"),
        effective_from=LONG_AGO,
        by="system:replay",
        reason="replay",
    )
    rules.approve(session, rule.public_id, by="system:second")
    terms = BurnTerms(effective_from=LONG_AGO, max_share=Fraction(1, 2))
    asked = programme.propose(session, terms, by="system:replay", reason="replay")
    programme.approve(session, asked.public_id, by="system:second")


def _merchant(store: int, trade: str) -> NewMerchant:
    return NewMerchant(
        code=f"S{store}",
        name_zh=f"{store} 号店",
        name_en=f"Store {store}",
        trade=trade,
        stores=[NewStore(code=f"S{store}", name=f"{store} 号店", terminals=("T1",))],
        terms=Terms(
            valid_from=LONG_AGO.date(),
            cost_fen_per_point=Fraction(1),
            redemption_fen_per_point=Fraction(9, 10),
            funding=Funding.POSTPAID,
            may_burn=MayBurn.ANY,
        ),
    )


def work(settings: Settings, mine: Iterable[Event], tell: Callable[[], None]) -> list[float]:
    """Do events in their order, but those done already; return milliseconds of each sale.

    Each event is one transaction: killed anywhere, the next run goes on where this one was.
    """
    services = build(settings, pool_size=1)
    try:
        done = numbers_done(services.database)
        took = []
        for event in mine:
            if event.number not in done:
                began = time.perf_counter()
                services.database.run(
                    DISTRICT, _refund(event) if event.parts else _sell(event), at=event.at
                )
                if not event.parts:
                    took.append((time.perf_counter() - began) * 1000)
            tell()
        return took
    finally:
        services.close()


def numbers_done(database: Database) -> set[str]:
    """Return the tills' numbers of all events that the district has seen."""
    with database.transaction(DISTRICT, read_only=True) as session:
        return set(session.scalars(_DONE))


def _sell(event: Event) -> Callable[[Session], object]:
    def sell(session: Session) -> object:
        basket = Basket(
            terminal=get_directory(session).terminals[_till(session, event.basket.store)],
            number=event.number,
            occurred_at=event.at,
            lines=[
                BasketLine(sku=sku, name="商品", category="general", amount_fen=fen)
                for sku, fen in zip(_skus(event), event.basket.fens, strict=True)
            ],
            member=find_by_card(session, str(event.basket.household)),
            burn_points=ALL_POINTS if event.burns else 0,
            cashier=MADE_UP if event.burns else None,
        )
        if event.coupons:
            return replay_coupons.sell(session, basket, event.coupons)
        due = due_fen(session, basket) if event.burns else basket.total_fen
        return orders.sell(session, basket, [Tender(name="cash", fen=due)])

    return sell


def _skus(event: Event) -> list[str]:
    if event.products:
        return [str(product) for product in event.products]
    return [str(number) for number in range(1, len(event.basket.fens) + 1)]


def _refund(event: Event) -> Callable[[Session], object]:
    def refund(session: Session) -> object:
        terminal = get_directory(session).terminals[_till(session, event.basket.store)]
        order = orders.find_by_number(session, terminal=terminal, number=str(event.basket.id))
        assert order is not None, f"basket {event.basket.id} was sold before its refund"
        request = RefundRequest(
            order=order.public_id,
            terminal=terminal,
            number=event.number,
            occurred_at=event.at,
            parts=event.parts,
            cashier=MADE_UP,
        )
        give = replay_coupons.give_back if order.discount_fen else refunds.give
        return give(session, request)

    return refund


def _till(session: Session, store: int) -> tuple[int, str]:
    return get_directory(session).get_store(f"S{store}").id, "T1"


_BEGUN = text("SELECT after FROM audit_record WHERE action = 'replay.begin' ORDER BY id LIMIT 1")
_DONE = text('SELECT number FROM "order" UNION ALL SELECT number FROM refund')
