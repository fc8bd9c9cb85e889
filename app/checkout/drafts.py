"""Orders as they are written: one statement for all of them, with their lines and growth."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from sqlalchemy.orm import Session

from app.checkout.discounts import NO_COUPONS, Stack
from app.checkout.gifts import Gift
from app.checkout.models import OrderKind, OrderState
from app.checkout.pricing import Priced
from app.checkout.settling import GaveNone, Settled, dump_homes
from app.checkout.slices import dump
from app.members import growth, standing
from app.members.growth import Gain
from app.outbox import News
from app.points import caps, promises
from app.points.policy import Activity
from app.points.promises import Promise
from config.database import fetch, now_of
from config.errors import Collision


@dataclass(frozen=True, kw_only=True)
class Sale:
    """An order as its till hears of it; `replayed` when the till's number was known already.

    `silent` are the rules that gave nothing because a merchant may give no points.
    """

    public_id: str
    number: str
    state: OrderState
    total_fen: int
    discount_fen: int
    burned_points: int
    burned_fen: int
    due_fen: int
    earned_points: int
    until: datetime | None
    stack: Stack = NO_COUPONS
    silent: Sequence[GaveNone] = ()
    gifts: Sequence[Gift] = ()
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An order as it is about to be written; `settled` once it is paid."""

    priced: Priced
    public_id: str
    state: OrderState
    fingerprint: bytes
    quote_id: int | None = None
    settled: Settled | None = None
    until: datetime | None = None
    gifts: Sequence[Gift] = ()

    @property
    def sale(self) -> Sale:
        """The order as its till hears of it."""
        return Sale(
            public_id=self.public_id,
            number=self.priced.basket.number,
            state=self.state,
            total_fen=self.priced.basket.total_fen,
            discount_fen=self.priced.discount_fen,
            burned_points=self.priced.burn.points,
            burned_fen=self.priced.burn.value_fen,
            due_fen=self.priced.due_fen,
            earned_points=self.settled.earned_points if self.settled else 0,
            until=self.until,
            stack=self.priced.stack,
            silent=self.settled.silent if self.settled else (),
            gifts=self.gifts,
        )


@dataclass(frozen=True, kw_only=True)
class Written:
    """What orders leave to tell once they are written.

    `new_merchants` are new to each order's member, by the order's public id; `risen` is the news of
    members whom their growth has lifted to a higher tier.
    """

    new_merchants: Mapping[str, Sequence[int]]
    risen: Sequence[News]


def write(session: Session, drafts: Sequence[Draft]) -> Written:
    """Write orders, their lines, the growth that they bring and what they promise at once.

    A member whom an order lifts to a higher tier costs a round trip more.

    Raises:
        Collision: the till's number of one has been used meanwhile; run the transaction again.
    """
    gains = [gain for draft in drafts if (gain := _gain(session, draft)) is not None]
    since = growth.watched_from(session, [gain.member for gain in gains])
    made = [promise for draft in drafts if (promise := _promise(session, draft)) is not None]
    rows = fetch(
        session,
        _INSERT_WITH_PROMISES if made else _INSERT,
        {
            **({"promises": _json([promise.row() for promise in made])} if made else {}),
            "now": now_of(session),
            "orders": _json([_columns(draft) for draft in drafts]),
            "lines": _json([line for draft in drafts for line in _lines(draft)]),
            "gains": _json([gain.row() for gain in gains]),
            "uses": _json([use for draft in drafts for use in _uses(draft)]),
            "since": since,
        },
    )
    missing = {row.public_id: row.missing for row in rows}
    for draft in drafts:
        if draft.public_id not in missing:
            raise Collision("order", draft.priced.basket.number)
    gathered = {row.member_id: row.gathered for row in rows if row.gathered is not None}
    return Written(
        new_merchants=missing,
        risen=standing.rise(session, gains, gathered=gathered, since=since),
    )


def _gain(session: Session, draft: Draft) -> Gain | None:
    """Return the growth of a paid order; an exchange brings it today, where its refund takes it."""
    if draft.settled is None:
        return None
    basket = draft.priced.basket
    return growth.gain_of_order(
        session,
        basket.member,
        order=draft.public_id,
        paid_fen=draft.priced.due_fen,
        at=basket.burns_at,
    )


def _promise(session: Session, draft: Draft) -> Promise | None:
    """Return what a paid order promises of its member's points, today as its growth is."""
    if draft.settled is None:
        return None
    basket, burned = draft.priced.basket, draft.priced.burn.points > 0
    return promises.promise(
        session,
        basket.member,
        activities_of(kind=basket.kind, total_fen=basket.total_fen, burned=burned),
        source=draft.public_id,
        at=basket.burns_at,
    )


def activities_of(*, kind: str, total_fen: int, burned: bool) -> list[Activity]:
    """Return what its member does by a paid order; a burn alone is no purchase of ours."""
    bought = total_fen > 0 and kind != OrderKind.BURN
    return [*([Activity.PURCHASE] if bought else []), *([Activity.BURN] if burned else [])]


def _uses(draft: Draft) -> Sequence[Mapping[str, object]]:
    basket = draft.priced.basket
    if draft.settled is None or basket.member is None:
        return []
    return caps.uses(
        draft.settled.earned,
        member_id=basket.member.id,
        order=draft.public_id,
        day=basket.business_date,
    )


def _columns(draft: Draft) -> dict[str, object]:
    priced, basket, settled = draft.priced, draft.priced.basket, draft.settled
    return {
        "public_id": draft.public_id,
        "store_id": basket.terminal.store.id,
        "terminal_id": basket.terminal.id,
        "number": basket.number,
        "kind": basket.kind,
        "cashier": basket.cashier,
        "member_id": basket.member.id if basket.member else None,
        "state": draft.state,
        "occurred_at": basket.occurred_at.isoformat(),
        "business_date": basket.business_date.isoformat(),
        "until": draft.until.isoformat() if draft.until else None,
        "fingerprint": "\\x" + draft.fingerprint.hex(),
        "quote_id": draft.quote_id,
        "total_fen": basket.total_fen,
        "discount_fen": priced.discount_fen,
        "coupons": priced.stack.dump(),
        "burned_points": priced.burn.points,
        "burned_fen": priced.burn.value_fen,
        "due_fen": priced.due_fen,
        "earned_points": settled.earned_points if settled else 0,
        "parts": priced.parts if priced.parts and not settled else None,
        "slices": dump(settled.allocation) if settled else None,
        "homes": dump_homes(settled.homes) if settled else None,
        "earnings": settled.earnings() if settled else None,
        "money": settled.money_fen if settled else None,
        "sold_to_self": priced.sold_to_self,
    }


def _lines(draft: Draft) -> list[dict[str, object]]:
    """Return the lines as JSON: the driver takes ten times as long for arrays."""
    priced, settled = draft.priced, draft.settled
    burned = settled.line_burned_fen if settled else [0] * len(priced.lines)
    earned = settled.line_points if settled else [0] * len(priced.lines)
    return [
        {
            "order": draft.public_id,
            "number": sold.number,
            "merchant_id": sold.merchant_id,
            "sku": line.sku,
            "name": line.name,
            "category": line.category,
            "quantity": line.quantity,
            "amount_fen": line.amount_fen,
            "discount_fen": sold.discount_fen,
            "burned_fen": burned_fen,
            "earned_points": points,
            "refundable": line.refundable,
        }
        for line, sold, burned_fen, points in zip(
            priced.basket.lines, priced.lines, burned, earned, strict=True
        )
    ]


def _json(value: list[Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_ROWS: LiteralString = """
    WITH given AS (
        SELECT * FROM json_to_recordset(CAST(%(lines)s AS json)) AS u (
            "order" text, number smallint, merchant_id bigint, sku text, name text, category text,
            quantity bigint, amount_fen bigint, discount_fen bigint, burned_fen bigint,
            earned_points bigint, refundable boolean)
    ), written AS (
        INSERT INTO "order" (public_id, store_id, terminal_id, number, kind, cashier, member_id,
            state, occurred_at, business_date, recorded_at, until, fingerprint, quote_id,
            total_fen, discount_fen, burned_points, burned_fen, due_fen, earned_points,
            parts, coupons, slices, homes, earnings, money, sold_to_self)
        SELECT o.public_id, o.store_id, o.terminal_id, o.number, o.kind, o.cashier, o.member_id,
            o.state, o.occurred_at, o.business_date, %(now)s, o.until, o.fingerprint, o.quote_id,
            o.total_fen, o.discount_fen, o.burned_points, o.burned_fen, o.due_fen, o.earned_points,
            o.parts, o.coupons, o.slices, o.homes, o.earnings, o.money, o.sold_to_self
        FROM json_to_recordset(CAST(%(orders)s AS json)) AS o (
            public_id text, store_id bigint, terminal_id bigint, number text, kind text,
            cashier text, member_id bigint, state text, occurred_at timestamptz,
            business_date date, until timestamptz, fingerprint bytea, quote_id bigint,
            total_fen bigint, discount_fen bigint, burned_points bigint, burned_fen bigint,
            due_fen bigint, earned_points bigint, parts jsonb, coupons jsonb, slices jsonb,
            homes jsonb, earnings jsonb, money jsonb, sold_to_self boolean)
        ON CONFLICT (store_id, terminal_id, number, kind) DO NOTHING
        RETURNING id, public_id, member_id
    ), lines AS (
        INSERT INTO order_line (order_id, number, merchant_id, sku, name, category, quantity,
            amount_fen, discount_fen, burned_fen, earned_points, refundable)
        SELECT w.id, u.number, u.merchant_id, u.sku, u.name, u.category, u.quantity,
            u.amount_fen, u.discount_fen, u.burned_fen, u.earned_points, u.refundable
        FROM written w JOIN given u ON u."order" = w.public_id
    ), grown AS (
        INSERT INTO growth (member_id, kind, source, amount, occurred_at, business_date,
            recorded_at)
        SELECT g.member_id, g.kind, g.source, g.amount, g.occurred_at, g.business_date, %(now)s
        FROM json_to_recordset(CAST(%(gains)s AS json)) AS g (
            member_id bigint, kind text, source text, amount bigint, occurred_at timestamptz,
            business_date date)
        JOIN written w ON w.public_id = g.source
    ), used AS (
        INSERT INTO rule_use (member_id, source, rule, campaign, points, business_date)
        SELECT u.member_id, u.source, u.rule, u.campaign, u.points, u.business_date
        FROM json_to_recordset(CAST(%(uses)s AS json)) AS u (
            member_id bigint, source text, rule text, campaign text, points bigint,
            business_date date)
        JOIN written w ON w.public_id = u.source
    )
    """
_PROMISES: LiteralString = """, promised AS (
        INSERT INTO points_promise (member_id, source, activity, day, until, recorded_at)
        SELECT p.member_id, p.source, p.activity, p.day, p.until, %(now)s
        FROM json_to_recordset(CAST(%(promises)s AS json)) AS p (
            member_id bigint, source text, activity text, day date, until date)
        JOIN written w ON w.public_id = p.source
    )
    """
_ANSWER: LiteralString = """
    SELECT w.public_id, w.member_id,
        CASE WHEN CAST(%(since)s AS date) IS NOT NULL THEN (
            SELECT coalesce(sum(g.amount), 0)::bigint FROM growth g
            WHERE g.member_id = ANY (ARRAY(
                SELECT p.id FROM member p
                WHERE p.id = w.member_id OR p.merged_into_id = w.member_id))
                AND g.business_date >= CAST(%(since)s AS date))
        END AS gathered, ARRAY(
        SELECT DISTINCT g.merchant_id FROM given g
        WHERE g."order" = w.public_id AND w.member_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM membership s
            WHERE s.member_id = w.member_id AND s.merchant_id = g.merchant_id)
        ORDER BY g.merchant_id) AS missing
    FROM written w
    """
_INSERT: LiteralString = f"{_ROWS}{_ANSWER}"
_INSERT_WITH_PROMISES: LiteralString = f"{_ROWS}{_PROMISES}{_ANSWER}"
