"""Choosing a sale's coupons: the member's, or those named, become one stack (C8, C10, P2)."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.campaigns import segments
from app.checkout.baskets import BEST, Basket, OfflineUse
from app.checkout.discounts import NO_COUPONS, Least, Stack, Use
from app.checkout.errors import CouponNotUsable
from app.checkout.sharing import Gift, SaleLine
from app.checkout.slices import Funded
from app.members.birthdays import birthday_of
from app.members.identification import KnownMember, same_person
from app.members.models import Member
from app.members.sealing import coupon_keys
from app.merchants.directory import Directory, ListedMerchant
from config.database import now_of
from coupons import codes, conditions, funding, stacking, wallets
from coupons.candidates import Held, Points
from coupons.conditions import Item, Shopper, Unmet
from coupons.errors import BadCode
from coupons.funding import Funder, FunderKind
from coupons.offers import Base, FirstPurchase, Offer, Who
from coupons.stacking import Answer, LeftOut, Why
from coupons.terms import CodeLength
from coupons.wallets import Standing

#: Coupons that one search looks at, those that are over soonest; the others are told so.
MOST = 30

#: How a coupon's public id begins; what begins otherwise is a code.
PUBLIC = "cpn_"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The district's: how many coupons an order takes (None: any number), and the points to count.

    Without `points` the most discount is best; with them the least money to pay.
    """

    at_most: int | None = None
    points: Points | None = None


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The coupons of a sale, and what the engine answered: reasons, runner-up, certificate."""

    rules: Rules
    stack: Stack = NO_COUPONS
    answer: Answer | None = None
    holders: Sequence[str] = ()
    not_usable: Sequence[LeftOut] = field(default=())


def choose(
    session: Session,
    basket: Basket,
    lines: Sequence[SaleLine],
    merchants: Sequence[ListedMerchant],
    *,
    directory: Directory,
    tenders: Collection[str] | None = None,
    rules: Rules,
) -> Chosen:
    """Return the best stack of the coupons that a basket asks for: two or three round trips.

    `BEST`: of all that its member may use now, which may be none. Named ones, by public id or code:
    those of them that save most, with the reason of every one that is left out. Promised ones: as
    named, looked at as of the quote, which has asked already whom they serve. Whoever is not told
    of a coupon hears that there is none of the name (C17, C19). Without `tenders` none is refused.
    """
    if basket.offline is not None:
        items = tuple(_items(basket, lines, merchants))
        return _choose_offline(session, basket.offline, items, merchants, directory=directory)
    holders = holders_of(session, basket.member)
    held, not_usable = _held(session, basket, holders)
    if not held:
        return Chosen(rules=rules, holders=holders, not_usable=not_usable)
    candidates = [_candidate(each) for each in held]
    if basket.promised is not None:
        candidates = [replace(each, offer=replace(each.offer, who=Who())) for each in candidates]
    asked = conditions.Basket(
        items=tuple(_items(basket, lines, merchants)),
        shopper=shopper_of(session, basket.member, merchants, [each.offer for each in candidates]),
        at=basket.burns_at,
        tenders=None if tenders is None else frozenset(tenders),
    )
    answer = stacking.best(candidates, asked, at_most=rules.at_most, points=rules.points)
    found = {each.coupon: each for each in held}
    return Chosen(
        rules=rules,
        stack=Stack(
            uses=[
                _use(found[use.coupon], use.shares, asked, merchants, directory)
                for use in answer.best.uses
            ]
        ),
        answer=answer,
        holders=holders,
        not_usable=not_usable,
    )


def require_all(basket: Basket, chosen: Chosen | None) -> None:
    """Refuse an order that names a coupon, or whose quote does, which is not used or gives less.

    Raises:
        CouponNotUsable: one of them cannot be used, or not beside the others; says every reason.
    """
    if chosen is None or (basket.promised is None and tuple(basket.coupons) == BEST):
        return
    left_out = [*chosen.not_usable, *(chosen.answer.left_out if chosen.answer else ())]
    if basket.promised is not None:
        left_out += [
            _refused(use.coupon, _LESS_THAN_QUOTED)
            for use in chosen.stack.uses
            if use.fen != basket.promised.fen[use.coupon]
        ]
    if left_out:
        raise CouponNotUsable([(each.coupon, each.zh, each.en) for each in left_out])


def holders_of(session: Session, member: KnownMember | None) -> list[str]:
    """Return the names under which a member's coupons are kept, those of merged members too."""
    if member is None:
        return []
    return list(
        session.scalars(
            select(Member.public_id)
            .where(Member.id.in_(same_person(member.id)))
            .order_by(Member.id != member.id, Member.id)
        )
    )


def _choose_offline(
    session: Session,
    offline: OfflineUse,
    items: tuple[Item, ...],
    merchants: Sequence[ListedMerchant],
    *,
    directory: Directory,
) -> Chosen:
    """Return what the coupon takes off that a till took offline, be its last day over by now.

    Whom it serves was looked at when it was made out: its holder need not be known at the till.
    """
    held = wallets.find(session, coupons=[offline.coupon], order=offline.jti)[0]
    asked = conditions.Basket(items=items, shopper=Shopper(), at=now_of(session))
    serves_all = replace(_candidate(held), offer=replace(held.offer, who=Who()))
    answer = stacking.best([serves_all], asked)
    uses = [_use(held, use.shares, asked, merchants, directory) for use in answer.best.uses]
    return Chosen(rules=Rules(), stack=Stack(uses=uses), answer=answer, holders=[offline.holder])


def _held(
    session: Session, basket: Basket, holders: list[str]
) -> tuple[list[wallets.Held], list[LeftOut]]:
    """Return what may be used, and why what was named may not."""
    names = basket.coupons if basket.promised is None else basket.promised.names
    if tuple(names) == BEST:
        own = wallets.wallet(session, holders=holders) if holders else []
        usable = [each for each in own if each.standing is Standing.USABLE]
        return usable[:MOST], [_refused(each.coupon, _TOO_MANY) for each in usable[MOST:]]
    found = _find(session, names, at=basket.promised_at)
    held: dict[str, wallets.Held] = {}
    refused = []
    for name in names:
        each = found.get(name)
        if each is None or not may_see(each, name, holders):
            refused.append(_refused(name, _UNKNOWN))
        elif each.coupon in held:
            refused.append(_refused(name, _TWICE))
        elif each.standing is not Standing.USABLE:
            refused.append(_refused(each.coupon, _unusable(each)))
        else:
            held[each.coupon] = each
    return list(held.values()), refused


def _find(
    session: Session, names: Sequence[str], *, at: datetime | None
) -> dict[str, wallets.Held]:
    """Return coupons by the names that a till gave them: public ids, or codes as they are read."""
    if not names:
        return {}
    ids = [name for name in names if name.startswith(PUBLIC)]
    written = [name for name in names if not name.startswith(PUBLIC)]
    indexes = {}
    if written:
        keys = coupon_keys(session)
        for name in written:
            with suppress(BadCode):
                indexes[name] = codes.index_of(keys, codes.normal(name))
    found = wallets.find(session, coupons=ids, indexes=list(indexes.values()), at=at)
    by_id = {each.coupon: each for each in found}
    by_index = {each.index: each for each in found if each.index is not None}
    return {name: by_id[name] for name in ids if name in by_id} | {
        name: by_index[index] for name, index in indexes.items() if index in by_index
    }


def may_see(held: wallets.Held, name: str, holders: Sequence[str]) -> bool:
    """Whether a sale may be told of a coupon: the member's own, or one whose code was shown.

    An id is no proof that anybody is there: a till has seen those of other sales' members. A short
    printed code could be guessed, so it alone shows nothing (reliability §10). That one is void its
    holder alone is told (semantics 44).
    """
    terms = held.template.terms
    if held.holder in holders:
        return True
    if name.startswith(PUBLIC) or (terms.code is CodeLength.SHORT and not holders):
        return False
    return held.standing is not Standing.VOID and (held.holder is None or not terms.personal)


def _unusable(held: wallets.Held) -> Unmet:
    return _MADE_OUT if held.made_out_for else _STANDING[held.standing]


def _refused(name: str, unmet: Unmet) -> LeftOut:
    return LeftOut(coupon=name, why=Why.CONDITIONS, zh=unmet.zh, en=unmet.en, unmet=(unmet,))


def _items(
    basket: Basket, lines: Sequence[SaleLine], merchants: Sequence[ListedMerchant]
) -> Iterator[Item]:
    """Return the lines as offers see them: merchants, stores and trades by the codes people use."""
    for sold, line, merchant in zip(lines, basket.lines, merchants, strict=True):
        yield Item(
            number=sold.number,
            merchant=merchant.code,
            store=basket.terminal.store.code,
            trade=merchant.trade,
            category=line.category,
            sku=line.sku,
            quantity=sold.quantity,
            amount_fen=sold.amount_fen,
            burnable=sold.burnable,
        )


def shopper_of(
    session: Session,
    member: KnownMember | None,
    merchants: Sequence[ListedMerchant],
    offers: Sequence[Offer],
) -> Shopper:
    """Return a member as offers see him; what none of them asks for is not looked up."""
    if member is None:
        return Shopper()
    asked = {offer.who.first_purchase for offer in offers}
    first_purchase, first_at = False, frozenset[str]()
    if asked - {None}:
        codes_of = {merchant.id: merchant.code for merchant in merchants}
        row = session.execute(
            _FIRST,
            {
                "member": member.id,
                "merchants": list(codes_of) if FirstPurchase.MERCHANT in asked else [],
            },
        ).one()
        first_purchase = not row.bought
        first_at = frozenset({codes_of[each] for each in row.never})
    birthday = None
    if any(offer.who.birthday for offer in offers):
        birthday = birthday_of(session, member)
    chosen = any(offer.who.segments for offer in offers)
    return Shopper(
        tier=member.tier,
        segments=segments.codes_of(session, member.id) if chosen else frozenset(),
        first_purchase=first_purchase,
        first_at=first_at,
        birthday=birthday,
    )


def _candidate(held: wallets.Held) -> Held:
    return Held(
        id=held.coupon,
        template=held.template.code,
        version=held.version,
        offer=held.offer,
        expires_at=held.valid_until,
        left_fen=held.value_fen,
    )


def _use(
    held: wallets.Held,
    shares: Sequence[int],
    asked: conditions.Basket,
    merchants: Sequence[ListedMerchant],
    directory: Directory,
) -> Use:
    """Return a use of a coupon with what each of its funders gives on every line (L7)."""
    cells = funding.split(
        held.template.terms.funding,
        shares=shares,
        merchants=[merchant.code for merchant in merchants],
    )
    given: dict[str, list[int]] = {}
    for line, parts in enumerate(cells):
        for funder, fen in parts:
            given.setdefault(_named(funder, directory), [0] * len(cells))[line] += fen
    goods = conditions.eligible(held.offer, asked)
    return Use(
        coupon=held.coupon,
        template=held.template.code,
        zh=held.template.title_zh,
        en=held.template.title_en,
        goods_fen=sum([asked.items[position].amount_fen for position in goods]),
        tenders=held.offer.tenders,
        gifts=[Gift(of=Funded(held.coupon, funder), shares=fen) for funder, fen in given.items()],
        least=_least(held, [asked.items[position].number for position in goods]),
        seen=held.holder,
    )


def _least(held: wallets.Held, lines: Sequence[int]) -> Least | None:
    """Return what must be kept, where the template takes back what is not earned any more."""
    if not held.template.terms.returns.claw_back:
        return None
    threshold = held.offer.threshold
    return Least(
        fen=threshold.min_fen,
        quantity=threshold.min_quantity,
        after=threshold.base is Base.AFTER,
        lines=lines,
    )


def _named(funder: Funder, directory: Directory) -> str:
    """Return how slices name a funder: a merchant by its public id, which never changes."""
    if funder.kind is FunderKind.MERCHANT:
        return f"merchant:{directory.get_merchant(funder.name).public_id}"
    return f"brand:{funder.name}" if funder.kind is FunderKind.BRAND else "district"


_UNKNOWN = Unmet(
    code="unknown",
    zh="没有这张券，或不属于该会员",
    en="there is no such coupon, or it is not this member's",
)
_TWICE = Unmet(code="named-twice", zh="同一张券给出了两次", en="it is named twice")
_TOO_MANY = Unmet(
    code="not-looked-at",
    zh=f"一次最多比较 {MOST} 张券，到期早的优先",
    en=f"at most {MOST} are compared, those that are over soonest first",
)
_LESS_THAN_QUOTED = Unmet(
    code="less-than-quoted",
    zh="券的余额在报价后已被使用，请重新报价",
    en="some of its money has been used since the quote: ask for a new one",
)
_MADE_OUT = Unmet(
    code="made-out",
    zh="券已激活为离线券，请出示离线券码",
    en="it is made out for use without the network: its token is wanted",
)
_STANDING = {
    standing: Unmet(code=standing.value, zh=zh, en=en)
    for standing, zh, en in (
        (Standing.LOCKED, "券被另一笔订单占用", "another order has it set aside"),
        (Standing.NOT_YET, "券未到使用时间", "it may not be used yet"),
        (Standing.USED, "券已用完", "it is used up"),
        (Standing.EXPIRED, "券已过期", "it has expired"),
        (Standing.VOID, "券已作废", "it is void"),
    )
}
_FIRST = text(
    """
    WITH same AS (
        SELECT ARRAY(SELECT id FROM member WHERE id = :member OR merged_into_id = :member) AS ids
    )
    SELECT EXISTS (
        SELECT FROM "order" o WHERE o.member_id = ANY (same.ids) AND o.state = 'paid') AS bought,
        ARRAY(SELECT m FROM unnest(CAST(:merchants AS bigint[])) m WHERE NOT EXISTS (
            SELECT FROM "order" o JOIN order_line l ON l.order_id = o.id
            WHERE o.member_id = ANY (same.ids) AND o.state = 'paid' AND l.merchant_id = m)) AS never
    FROM same
    """
)
