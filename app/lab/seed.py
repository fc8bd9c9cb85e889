"""Life for a new district: merchants with Chinese names, members, a rule, and weeks of sales.

Amounts and baskets are a slice of the public data set (made up where that is not installed), dealt
to a dozen merchants and moved to the last weeks; names and phone numbers are made up. A district
that has staff is left as it is.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.checkout import orders, refunds
from app.checkout.baskets import ALL_POINTS, Basket, BasketLine, Tender
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundQuantity
from app.clock import business_date
from app.lab import dataset
from app.lab.dataset import DatasetMissing, DatasetTorn, SoldBasket
from app.lab.paying import due_fen
from app.members import enrolment
from app.members.arrivals import NewMember
from app.members.identification import find_by_phone
from app.members.models import Source
from app.merchants import keys, registration, staff
from app.merchants.directory import get_directory
from app.merchants.models import Funding, MayBurn, Staff
from app.merchants.registration import NewMerchant, NewStore
from app.merchants.staff import Role
from app.merchants.terms import Terms
from app.points import rules
from app.points.definitions import Definition, Kind
from app.points.rules import Names
from config.database import Database, district_of, now_of
from ledger import upkeep

DAYS = 45
MEMBERS = 60
PRACTICE_STORE = "practice-1"
PRACTICE_TERMINALS = ("T1", "T2", "T3")
STAFF = (("lin", "林店长", Role.ADMIN), ("mei", "梅会计", Role.FINANCE))

_SEEDING = "system:seed"
_MERCHANTS = (
    ("longjing", "龙井茶馆", "Longjing Tea House", "cafe", "1F"),
    ("kuiyuan", "奎元面馆", "Kuiyuan Noodles", "dining", "3F"),
    ("hefang", "河坊小吃", "Hefang Snacks", "dining", "3F"),
    ("yunqi", "云栖超市", "Yunqi Supermarket", "supermarket", "B1"),
    ("wulin", "武林百货", "Wulin Department Store", "department", "1F"),
    ("silk", "丝绸之家", "House of Silk", "fashion", "2F"),
    ("baidi", "白堤书店", "Baidi Bookshop", "culture", "2F"),
    ("sanyue", "三月美妆", "March Beauty", "beauty", "1F"),
    ("tongnian", "童年乐园", "Childhood Park", "kids", "4F"),
    ("qingshan", "青山户外", "Green Hill Outdoors", "sports", "2F"),
    ("xinghe", "星河影城", "Galaxy Cinema", "leisure", "5F"),
    ("jujia", "居家生活", "Home Living", "home", "4F"),
)
_SURNAMES = "王李张刘陈杨黄赵周吴徐孙朱马胡郭"
_GIVEN = ("小明", "晓燕", "文博", "雨欣", "志强", "佳怡", "子涵", "建国", "美玲", "思远")


@dataclass(frozen=True)
class Seeded:
    """What was written; nothing when the district had life already."""

    merchants: int = 0
    members: int = 0
    orders: int = 0


def seed(
    database: Database,
    district: str,
    *,
    baskets: int = 400,
    sold: Sequence[SoldBasket] | None = None,
) -> Seeded:
    """Give an empty district life: one transaction, so it is there whole or not at all.

    `sold` are the baskets to sell; by default so many of the data set.
    """
    with database.transaction(district, read_only=True) as session:
        if _alive(session):  # Asked first: reading the data set takes two seconds.
            return Seeded()
    if sold is None:
        sold = _slice(baskets)
    with database.transaction(district) as session:
        if _alive(session):
            return Seeded()
        today = business_date(now_of(session))
        upkeep.open_books(session, start=today - timedelta(days=DAYS + 31), through=today)
        first, second = _hire(session)
        _open_merchants(session, today, by=first)
        members = _enrol(session)
        _agree(session, by=first, second=second)
        _sell_all(session, sold, members)
        return Seeded(merchants=len(_MERCHANTS), members=len(members), orders=len(sold))


def open_practice(database: Database, district: str) -> None:
    """Give a sandbox the store whose key everybody knows; what is there stays as it is.

    A real district of this name is left alone.
    """
    with database.transaction(district, read_only=True) as session:
        if not district_of(session).sandbox or keys.is_published(session):
            return  # Nothing is written at most starts, so a stopped district is no hindrance.
    with database.transaction(district) as session:
        if all(store.code != PRACTICE_STORE for store in get_directory(session).stores.values()):
            today = business_date(now_of(session))
            registration.register_many(session, [_practice(today)], by=_SEEDING)
        keys.publish(session, store=PRACTICE_STORE, by=_SEEDING, reason="沙盒公开密钥 / sandbox")


def made_up(count: int) -> list[SoldBasket]:
    """Return baskets from dice, the same at each call, for a machine without the data set."""
    dice = random.Random(5)
    return [
        SoldBasket(
            id=number,
            household=dice.randrange(MEMBERS),
            store=dice.randrange(len(_MERCHANTS)),
            sold_at=datetime(2017, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
            fens=tuple(dice.randrange(100, 4_000) for _ in range(dice.randint(1, 6))),
        )
        for number in range(1, count + 1)
    ]


def _slice(baskets: int) -> list[SoldBasket]:
    try:
        return dataset.read(baskets)
    except (DatasetMissing, DatasetTorn):  # No reason to keep a district from opening.
        return made_up(baskets)


def _alive(session: Session) -> bool:
    return bool(session.scalar(select(func.count()).select_from(Staff)))


def phone_of(number: int) -> str:
    """Return the phone of the n-th member; made up."""
    return f"1990000{number:04d}"


def _hire(session: Session) -> list[str]:
    """Add the staff, the first one an admin who adds the others; return their public ids."""
    hired: list[str] = []
    for login, name, role in STAFF:
        sponsor = hired[0] if hired else None
        someone = staff.add(session, login=login, name=name, roles=[role], by=sponsor)
        hired.append(someone.public_id)
    return hired


def _practice(today: date) -> NewMerchant:
    return NewMerchant(
        code="practice",
        name_zh="练习商店",
        name_en="Practice Shop",
        trade="cafe",
        stores=[
            NewStore(code=PRACTICE_STORE, name="练习商店", floor="1F", terminals=PRACTICE_TERMINALS)
        ],
        terms=_terms(today),
    )


def _terms(today: date) -> Terms:
    return Terms(
        valid_from=today - timedelta(days=365),
        cost_fen_per_point=Fraction(1),
        redemption_fen_per_point=Fraction(9, 10),
        funding=Funding.POSTPAID,
        may_burn=MayBurn.ANY,
    )


def _open_merchants(session: Session, today: date, *, by: str) -> None:
    registration.register_many(
        session,
        [
            NewMerchant(
                code=code,
                name_zh=zh,
                name_en=en,
                trade=trade,
                stores=[
                    NewStore(code=f"{code}-1", name=f"{zh}·湖滨店", floor=floor, terminals=("T1",))
                ],
                terms=_terms(today),
            )
            for code, zh, en, trade, floor in _MERCHANTS
        ],
        by=by,
    )


def _enrol(session: Session) -> list[str]:
    dice = random.Random(7)
    phones = [phone_of(number) for number in range(MEMBERS)]
    enrolment.enrol_many(
        session,
        [
            NewMember(
                source=Source.COUNTER,
                phone=phone,
                name=dice.choice(_SURNAMES) + dice.choice(_GIVEN),
            )
            for phone in phones
        ],
    )
    return phones


def _agree(session: Session, *, by: str, second: str) -> None:
    request = rules.propose(
        session,
        code="yuan",
        definition=Definition(kind=Kind.BASE, rate=Fraction(1, 100)),
        names=Names(zh="一元一分", en="A point a yuan"),
        effective_from=now_of(session) - timedelta(days=365),
        by=by,
        reason="开业 / opening",
    )
    rules.approve(session, request.public_id, by=second)


def _sell_all(session: Session, sold: Sequence[SoldBasket], phones: Sequence[str]) -> None:
    """Sell the slice, its first basket weeks ago and its last one an hour ago."""
    if not sold:
        return
    end = now_of(session) - timedelta(hours=1)
    span = timedelta(days=DAYS) / max(len(sold) - 1, 1)
    dice = random.Random(11)
    for index, basket in enumerate(sold):
        at = end - span * (len(sold) - 1 - index)
        order = _sell(session, basket, phones, at=at, burns=dice.random() < 0.15)
        if dice.random() < 0.05 and basket.fens[0]:
            _give_back(session, order, basket, at=at + timedelta(minutes=30))


def _sell(
    session: Session, basket: SoldBasket, phones: Sequence[str], *, at: datetime, burns: bool
) -> str:
    code = _MERCHANTS[basket.store % len(_MERCHANTS)][0]
    directory = get_directory(session)
    asked = Basket(
        terminal=directory.get_terminal(directory.get_store(f"{code}-1"), "T1"),
        number=f"demo-{basket.id}",
        occurred_at=at,
        lines=[
            # A dollar of the data set becomes about seven yuan.
            BasketLine(sku=f"{code}-{n}", name="商品", category="general", amount_fen=fen * 7)
            for n, fen in enumerate(basket.fens, start=1)
        ],
        member=find_by_phone(session, phones[basket.household % len(phones)]),
        burn_points=ALL_POINTS if burns else 0,
    )
    due = due_fen(session, asked) if burns else asked.total_fen
    return orders.sell(session, asked, [Tender(name="wechat", fen=due)]).public_id


def _give_back(session: Session, order: str, basket: SoldBasket, *, at: datetime) -> None:
    code = _MERCHANTS[basket.store % len(_MERCHANTS)][0]
    directory = get_directory(session)
    request = RefundRequest(
        order=order,
        terminal=directory.get_terminal(directory.get_store(f"{code}-1"), "T1"),
        number=f"demo-R{basket.id}",
        occurred_at=at,
        parts=[RefundQuantity(line=1, quantity=1)],
    )
    refunds.give(session, request)
