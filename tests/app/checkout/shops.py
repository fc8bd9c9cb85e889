"""A shop with one rule (a point a yuan), a member, and short ways to sell and refund there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app import books
from app.checkout import orders, refunds
from app.checkout.baskets import Basket, BasketLine, Tender
from app.checkout.drafts import Sale
from app.checkout.refunds import Refunded, RefundRequest
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole
from app.clock import business_date
from app.members.identification import KnownMember
from app.merchants.directory import ListedMerchant, ListedTerminal, get_directory
from app.points import lots, programme, rules
from app.points.definitions import Birthday, Conditions, Definition, Kind
from app.points.policy import BurnTerms, NegativePolicy
from app.points.rules import Names
from config.database import forget, now_of
from ledger import Journal
from tests.factories import make_member, make_merchant, make_till, unique

Request = RefundQuantity | RefundAmount | RefundWhole


@dataclass(frozen=True)
class Shop:
    """A merchant and its till in a district."""

    merchant: ListedMerchant
    till: ListedTerminal

    def basket(
        self,
        session: Session,
        member: KnownMember | None,
        *amounts: int,
        burn: int = 0,
        number: str | None = None,
        quantity: int = 1,
        at: datetime | None = None,
        others: Sequence[BasketLine] = (),
    ) -> Basket:
        lines = [
            BasketLine(
                sku=f"S{index}", name="商品", category="food", amount_fen=fen, quantity=quantity
            )
            for index, fen in enumerate(amounts)
        ]
        return Basket(
            terminal=get_directory(session).terminals[self.till.store.id, self.till.code],
            number=number or unique("N"),
            occurred_at=at or now_of(session),
            lines=[*lines, *others],
            member=member,
            burn_points=burn,
        )

    def sell(
        self,
        session: Session,
        member: KnownMember | None,
        *amounts: int,
        burn: int = 0,
        worth: int | None = None,
        number: str | None = None,
        quantity: int = 1,
        at: datetime | None = None,
        others: Sequence[BasketLine] = (),
    ) -> Sale:
        """Sell for cash what `burn` points (worth a fen each) do not pay."""
        basket = self.basket(
            session, member, *amounts, burn=burn, number=number, quantity=quantity, at=at,
            others=others,
        )  # fmt: skip
        paid = basket.total_fen - (burn if worth is None else worth)
        return orders.sell(session, basket, [Tender(name="cash", fen=paid)])

    def refund(
        self,
        session: Session,
        order: str,
        *parts: Request,
        number: str | None = None,
        at: datetime | None = None,
    ) -> Refunded:
        return refunds.give(
            session,
            RefundRequest(
                order=order,
                terminal=self.till,
                number=number or unique("R"),
                occurred_at=at or now_of(session),
                parts=parts or [RefundWhole()],
            ),
        )


def open_shop(session: Session, **terms: object) -> Shop:
    """Open a shop whose sales earn a point a yuan."""
    merchant = make_merchant(session, **terms)  # type: ignore[arg-type]
    add_rule(session, merchant)
    return Shop(merchant=merchant, till=make_till(session, merchant))


def add_rule(
    session: Session,
    merchant: ListedMerchant,
    *,
    rate: str = "1/100",
    when: Birthday | None = None,
) -> None:
    request = rules.propose(
        session,
        code=unique("r"),
        definition=Definition(
            kind=Kind.BASE,
            rate=Fraction(rate),
            conditions=Conditions(merchants=frozenset({merchant.public_id}), birthday=when),
        ),
        by="mei",
        reason="test",
        names=Names(zh="一元一分", en="A point a yuan"),
        effective_from=now_of(session) - timedelta(days=800),
    )
    rules.approve(session, request.public_id, by="li")


def points_of(session: Session, member: KnownMember) -> int:
    """Return the balance that the member would see: lots less holds less debt."""
    today = business_date(now_of(session))
    return lots.lock(session, member, day=today).balance_points(today)


def give_points(session: Session, shop: Shop, member: KnownMember, points: int) -> Sale:
    return shop.sell(session, member, points * 100)


def posted(session: Session, account_id: int) -> int:
    return ledger.statements.balances(session, [account_id])[account_id].posted


def books_digest(session: Session, member: KnownMember) -> list[tuple[str, int]]:
    """Return every account of a member and its balance, zeros left out."""
    rows = session.execute(
        text(
            "SELECT a.name, b.posted FROM account a JOIN account_balance b ON b.account_id = a.id "
            "WHERE a.wallet_id = :wallet AND b.posted <> 0 ORDER BY a.name"
        ),
        {"wallet": member.wallet_id},
    )
    return [(row.name.split(":", 2)[2], row.posted) for row in rows]


def prepay(session: Session, shop: Shop, points: int) -> None:
    posting = books.move(
        books.prepaid_sold_account(session), shop.merchant.prepaid_account_id, points
    )
    ledger.post(session, [Journal(key=unique("p"), kind="prepay", occurred_at=now_of(session),
                                  postings=[posting])])  # fmt: skip


def borne(session: Session, member: KnownMember) -> int:
    """Return what issuers still bear for a member."""
    return (
        session.scalar(
            text("SELECT sum(points - made_good)::bigint FROM write_off WHERE member_id = :id"),
            {"id": member.id},
        )
        or 0
    )


def set_policy(session: Session, policy: NegativePolicy, *, floor: int | None = None) -> None:
    """A programme in force from now on, as an approved change would leave it."""
    session.execute(
        text(
            "INSERT INTO programme (effective_from, expiry_months, point_value_num, "
            "point_value_den, combine, negative_policy, debt_floor_points, courtesy_days, "
            "return_first, hold_minutes, quote_minutes, created_at) "
            "VALUES (:at, 12, 1, 1, 'max', :policy, :floor, 7, 'money_first', 15, 5, now())"
        ),
        {"policy": policy, "floor": floor, "at": now_of(session) - timedelta(seconds=1)},
    )
    forget(session)


def agree_burn_terms(session: Session, terms: BurnTerms) -> None:
    """Two people agree how points may be burned."""
    change = programme.propose(session, terms, by="mei", reason="test")
    programme.approve(session, change.public_id, by="li")


__all__ = [
    "Shop", "add_rule", "agree_burn_terms", "books_digest", "borne", "give_points", "make_member",
    "open_shop", "points_of", "posted", "prepay", "set_policy",
]  # fmt: skip
