"""`coupons`: whether they can be used in a basket, and which one a code is (C8, C13, C17).

Nothing is set aside here: an order locks its coupons when it is placed, redeems them when it is
paid, frees them when it is cancelled, and a refund gives them back. A terminal that sends five
codes which name nothing waits, in whatever call it sends them (reliability §12).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sqlalchemy.orm import Session

from app.api import answers, guessing, limits
from app.api.auth import Role, requires
from app.api.edge import Refused, writes
from app.api.fields import DoorSchema, Fen, Instant, Items, Part, PublicId, Text, Whole, YesNo
from app.api.member.coupon_terms import CouponTermsSchema
from app.api.member.coupons import coupon_view
from app.api.pos import pos
from app.api.pos.asking import (
    LIMIT_TENDERS,
    AskedBasket,
    BasketSchema,
    TenderSchema,
    TillSchema,
    basket,
    over,
    terminal_of,
    who,
)
from app.campaigns import coupons
from app.checkout import reasons
from app.checkout.baskets import LIMIT_COUPONS, LIMIT_LINES, Tender
from app.checkout.errors import CouponNotUsable
from app.checkout.pricing import price
from app.checkout.stacks import PUBLIC, holders_of, may_see
from app.clock import server_now
from app.errors import Invalid, NotFound
from app.members.identification import KnownMember
from app.members.sealing import coupon_keys
from app.merchants.directory import ListedStore, ListedTerminal
from config.database import new_id
from coupons import codes, wallets
from coupons.errors import NoSuchCoupon
from coupons.wallets import MOST


class FunderSchema(DoorSchema):
    funder = Text(most=80, required=True)
    fen = Fen(required=True)


class CouponUseSchema(DoorSchema):
    """A coupon that is used; `shares` are by line, in the order of the lines."""

    coupon_id = Text(most=64, required=True)
    template = Text(most=40, required=True)
    zh = Text(most=60, required=True)
    en = Text(most=60, required=True)
    fen = Fen(required=True)
    shares = Items(Fen(), most=LIMIT_LINES, required=True)
    funders = Items(Part(FunderSchema), most=LIMIT_LINES, required=True)


class UnmetSchema(DoorSchema):
    code = Text(most=40, required=True)
    zh = Text(most=2000, required=True)
    en = Text(most=2000, required=True)
    gap_fen = Fen(required=True)
    gap_units = Whole(required=True)
    lines = Items(Whole(), most=LIMIT_LINES, required=True)


class LeftOutSchema(DoorSchema):
    """A coupon that is not used, and why."""

    coupon_id = Text(most=64, required=True)
    why = Text(most=40, required=True)
    zh = Text(most=2000, required=True)
    en = Text(most=2000, required=True)
    less_fen = Fen(required=True)
    by = Items(Text(most=64), most=LIMIT_COUPONS, required=True)
    unmet = Items(Part(UnmetSchema), most=20, required=True)


class RunnerUpSchema(DoorSchema):
    coupon_ids = Items(Text(most=64), most=LIMIT_COUPONS, required=True)
    discount_fen = Fen(required=True)


class StackProofSchema(DoorSchema):
    proved = YesNo(required=True)
    gap_fen = Fen(required=True)
    nodes = Whole(required=True)
    zh = Text(most=80, required=True)
    en = Text(most=80, required=True)
    best_by = Text(most=10, pattern=r"^(discount|due)$", required=True)
    at_most = Whole(required=True, allow_none=True)


class ValidatedSchema(DoorSchema):
    total_fen = Fen(required=True)
    discount_fen = Fen(required=True)
    coupons = Items(Part(CouponUseSchema), most=LIMIT_COUPONS, required=True)
    left_out = Items(Part(LeftOutSchema), most=MOST, required=True)
    runner_up = Part(RunnerUpSchema, required=True, allow_none=True)
    proof = Part(StackProofSchema, required=True, allow_none=True)


@dataclass(frozen=True, kw_only=True)
class AskedValidation(AskedBasket):
    """What `ValidateCouponsSchema` loads; without `tenders` none is refused for its tender."""

    tenders: Sequence[Tender] | None


class ValidateCouponsSchema(BasketSchema):
    makes = AskedValidation
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, load_default=None)


@dataclass(frozen=True, kw_only=True)
class AskedLookUp:
    """What `LookUpCouponSchema` loads."""

    terminal_id: str
    cashier_id: str
    code: str
    identification_id: str | None


class LookUpCouponSchema(TillSchema):
    makes = AskedLookUp
    code = Text(most=64, required=True)
    identification_id = PublicId("idn", load_default=None)


class FoundCouponSchema(DoorSchema):
    coupon_id = PublicId("cpn", required=True)
    template = Text(most=40, required=True)
    zh = Text(most=60, required=True)
    en = Text(most=60, required=True)
    standing = Text(most=20, required=True)
    valid_from = Instant(required=True)
    valid_until = Instant(required=True)
    uses_left = Whole(required=True, allow_none=True)
    value_fen = Fen(required=True, allow_none=True)
    locked_until = Instant(required=True, allow_none=True)
    terms = Part(CouponTermsSchema, required=True)


@pos.post("/coupons/validate")
@requires(Role.STORE)
@writes(ValidateCouponsSchema, ValidatedSchema, status=HTTPStatus.OK, keyed=False)
def validate_coupons(
    session: Session, store: ListedStore, asked: AskedValidation
) -> Mapping[str, Any]:
    """Say which coupons a basket can use, and of the others every condition and gap."""
    terminal = terminal_of(session, store, asked.terminal_id)
    require_patience(session, terminal, asked.coupons)
    wanted = basket(session, store, asked, number=new_id("v"))
    if wanted.refusal is not None:
        raise wanted.refusal
    priced = price(session, wanted.basket, None, tenders=asked.tenders)
    told = reasons.told(priced.chosen)
    count_misses(session, terminal, [each["coupon_id"] for each in told["left_out"]])
    return {
        **told,
        "total_fen": wanted.basket.total_fen,
        "discount_fen": priced.discount_fen,
    }


@pos.post("/coupons/look-up")
@requires(Role.STORE, limit=limits.IDENTIFY)
@writes(LookUpCouponSchema, FoundCouponSchema, status=HTTPStatus.OK, keyed=False)
def look_up_coupon(session: Session, store: ListedStore, asked: AskedLookUp) -> object:
    """Return the coupon of a code that was scanned; a personal one to its holder's till alone."""
    terminal = terminal_of(session, store, asked.terminal_id)
    require_patience(session, terminal, [asked.code])
    member = _member(session, terminal, asked.identification_id)
    code = codes.normal(asked.code)
    found = wallets.find(session, indexes=[codes.index_of(coupon_keys(session), code)])
    # The sale's own rule, so that a look-up tells no more than a sale would.
    if not found or not may_see(found[0], code, holders_of(session, member)):
        count_misses(session, terminal, [asked.code])
        return Refused(error=NotFound("coupon", "…"))
    return coupon_view(found[0])


@pos.post("/coupons/exchanges")
@requires(Role.STORE, limit=limits.IDENTIFY)
@writes(LookUpCouponSchema, FoundCouponSchema, status=HTTPStatus.OK, keyed=False)
def exchange_paper(session: Session, store: ListedStore, asked: AskedLookUp) -> object:
    """Make a printed code a coupon: the identified member's, else of whoever shows the code."""
    terminal = terminal_of(session, store, asked.terminal_id)
    require_patience(session, terminal, [asked.code])
    member = _member(session, terminal, asked.identification_id)
    code = codes.normal(asked.code)
    if member is None and _is_short(code):
        raise Invalid("identification_id", "短券码须先识别会员", "a short code needs its member")
    index = codes.index_of(coupon_keys(session), code)
    holder = None if member is None else member.public_id
    try:
        coupons.exchange(session, index=index, holder=holder, store=store.public_id)
    except NoSuchCoupon as unknown:
        count_misses(session, terminal, [asked.code])
        return Refused(error=unknown)
    return coupon_view(wallets.find(session, indexes=[index])[0])


def require_patience(session: Session, terminal: ListedTerminal, named: Sequence[str]) -> None:
    """Refuse a terminal that guesses codes; no SQL where none is named.

    Raises:
        TooOften: it sent five within a quarter of an hour that named nothing.
    """
    if any(_is_code(name) for name in named):
        guessing.require_patience(session, terminal.public_id, now=server_now(session))


def count_misses(session: Session, terminal: ListedTerminal, left_out: Iterable[str]) -> None:
    """Count the codes among coupons that cannot be used: those of known ones are told by id."""
    for _ in filter(_is_code, left_out):
        guessing.count_miss(session, terminal.public_id, now=server_now(session))


def refuse_coupons(session: Session, terminal: ListedTerminal, refused: CouponNotUsable) -> Refused:
    """Take back what the view wrote, count codes that name nothing, and return the refusal."""
    answers.undo(session)
    count_misses(session, terminal, [coupon for coupon, _, _ in refused.reasons])
    return Refused(error=refused)


def _member(
    session: Session, terminal: ListedTerminal, identification: str | None
) -> KnownMember | None:
    """Return whom the terminal knows.

    Raises:
        IdentificationOver: it does not, or not any more.
    """
    present, _ = who(session, terminal, identification=identification, confirmation=None)
    refusal = over(present, spends=False)
    if refusal is not None:
        raise refusal
    return present.member if present else None


def _is_short(code: str) -> bool:
    """Whether it is a printed code of twelve characters, too few to be safe alone."""
    return codes.is_ours(code) and code.startswith("S")


def _is_code(name: str) -> bool:
    return not name.startswith(PUBLIC)
