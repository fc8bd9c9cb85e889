"""Coupons as the district's people hand them out: on record, and with two where money is promised.

A batch that may cost more than one person may promise waits for a second one (G1, E36). Whoever
claims for himself needs neither; that is `coupons.issuing`.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from app import approvals, audit, outbox
from app.approvals import ChangeRequest
from app.campaigns import coupon_news, segments
from app.errors import NotFound, StateConflict
from app.members.identification import KnownMember
from app.members.sealing import coupon_keys
from app.merchants.directory import get_directory
from coupons import batches, issuing, runs, shares
from coupons.batches import ListedBatch, ListedTemplate
from coupons.benefits import AmountOff, Delivery, EveryOff, PercentOff, StoredValue
from coupons.errors import BadTemplate
from coupons.funding import FunderKind
from coupons.issuing import Granted, Issued, Recall, Verdict
from coupons.offers import DISTRICT
from coupons.shares import Accepted
from coupons.templates import Template, dump

KIND = "coupon.batch"

ONE_PERSON_FEN = 1_000_000
"""What one person may promise with a batch: ¥10,000. More, or an unknown sum, needs two."""


def promised_fen(template: Template) -> int | None:
    """Return the most that a batch of a template can cost in fen; None: nothing limits it."""
    terms = template.terms
    limits = [terms.budget.fen.all]
    worth = _worth_fen(template)
    if worth is not None:
        times = 1 if terms.uses is None else terms.uses
        for most, each in (
            (terms.limits.total, worth * times),
            (terms.budget.count.all, worth),
        ):
            limits.append(None if most is None else most * each)
    known = [limit for limit in limits if limit is not None]
    return 0 if template.pack else min(known, default=None)


def add_template(session: Session, template: Template, *, by: str) -> ListedTemplate:
    """Write down a template, or its next version. It promises nothing yet.

    Raises:
        Retired: the template issues nothing more.
        NotFound: it is for members of a segment that is not there.
        BadTemplate: a merchant that pays for it, or issues it, is none of the district's, or not
            named by its code; money on it is not for one merchant alone.
    """
    if template.offer is not None:
        segments.require_known(session, template.offer.who.segments)
    _require_merchants(session, template)
    _require_one_acceptor(template)
    added = batches.add_template(session, template, by=by)
    audit.record(
        session,
        actor=by,
        action="coupon.template",
        object=f"coupon-template:{template.code}",
        after={"version": added.version, **dump(template)},
    )
    return added


def retire(session: Session, code: str, *, by: str, reason: str) -> list[str]:
    """Retire a template and close its batches; return their codes.

    Raises:
        NoSuchCoupon: no such template.
    """
    closed = batches.retire(session, code, why=audit.masked(reason))
    audit.record(
        session,
        actor=by,
        action="coupon.retire",
        object=f"coupon-template:{code}",
        after={"closed": closed},
        reason=reason,
    )
    return closed


def open_batch(
    session: Session,
    *,
    code: str,
    template: str,
    starts_at: datetime,
    ends_at: datetime,
    by: str,
    reason: str,
) -> ListedBatch | ChangeRequest:
    """Open a batch of a template's newest version, or ask a second person to.

    One is enough up to `ONE_PERSON_FEN`. A pack promises nothing itself: its parts were agreed to.

    Raises:
        As `coupons.batches.open_batch`.
    """
    newest = batches.list_templates(session, code=template)[0]
    promised = promised_fen(newest.template)
    if promised is not None and promised <= ONE_PERSON_FEN:
        return _open(session, code, template, starts_at, ends_at, by=by, reason=reason)
    payload: dict[str, Any] = {
        "template": template,
        "version": newest.version,
        "starts_at": starts_at.isoformat(),
        "ends_at": ends_at.isoformat(),
        "promised_fen": promised,
    }
    request = approvals.propose(
        session, kind=KIND, subject=code, payload=payload, by=by, reason=audit.masked(reason)
    )
    audit.record(
        session,
        actor=by,
        action="coupon.batch_propose",
        object=f"coupon-batch:{code}",
        after=payload,
        reason=reason,
    )
    return request


def approve(session: Session, request: str, *, by: str) -> datetime:
    """Open a batch that was asked for, as the second person; return from when on it issues.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`; also where the template has
            had a newer version since.
        As `coupons.batches.open_batch`.
    """
    agreed = approvals.approve(session, request, kind=KIND, by=by)
    said = agreed.payload
    newest = batches.list_templates(session, code=said["template"])[0]
    if newest.version != said["version"]:
        raise StateConflict(
            "coupon-template", said["template"], "stale", "提出之后模板已有新版本，请重新提出",
            "the template has a newer version since: propose the batch anew",
        )  # fmt: skip
    start, end = [datetime.fromisoformat(said[name]) for name in ("starts_at", "ends_at")]
    opened = _open(
        session, agreed.subject, said["template"], start, end, by=by, reason=agreed.reason
    )
    return opened.starts_at


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a batch down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    audit.record(
        session,
        actor=by,
        action="coupon.batch_reject",
        object=f"coupon-batch:{rejected.subject}",
        reason=reason,
    )


def withdraw(session: Session, request: str, *, by: str, reason: str) -> None:
    """Take back a batch that one has asked for oneself.

    Raises:
        NotFound: no such request, or somebody else's; the caller rolls back.
        StateConflict: as `approvals.reject`.
    """
    withdrawn = approvals.reject(session, request, kind=KIND, by=by)
    if withdrawn.proposed_by != by:
        raise NotFound("change-request", request)
    audit.record(
        session,
        actor=by,
        action="coupon.batch_withdraw",
        object=f"coupon-batch:{withdrawn.subject}",
        reason=reason,
    )


def close(session: Session, code: str, *, by: str, reason: str) -> None:
    """Issue nothing more of a batch; its coupons stay good.

    Raises:
        NoSuchCoupon: no such batch.
    """
    batches.close(session, code, why=audit.masked(reason))
    audit.record(
        session, actor=by, action="coupon.close", object=f"coupon-batch:{code}", reason=reason
    )


def grant(
    session: Session,
    *,
    batch: str,
    members: Sequence[KnownMember],
    key: str,
    by: str,
    reason: str,
) -> list[Granted]:
    """Give members a coupon each for a reason; see `coupons.issuing.grant`."""
    given = issuing.grant(
        session, batch=batch, holders=[member.public_id for member in members], key=key
    )
    outbox.add_many(
        session,
        [
            coupon_news.granted(each.coupon, batch=batch, holder=each.holder, by=key)
            for each in given
            if each.coupon is not None and each.verdict is Verdict.ISSUED
        ],
    )
    audit.record(
        session,
        actor=by,
        action="coupon.grant",
        object=f"coupon-batch:{batch}",
        after={"key": key, "members": [each.holder for each in given]},
        reason=reason,
    )
    return given


def claim(
    session: Session, *, batch: str, holder: str, n: int = 1, store: str | None = None
) -> list[Issued]:
    """Give a member the coupon that he claims, and tell of it; see `coupons.issuing.claim`."""
    news = partial(coupon_news.along_claims, session, holder=holder)
    got = issuing.claim(session, batch=batch, holder=holder, n=n, store=store, along=news)
    if not all(each.repeated for each in got):
        outbox.note_news(session)
    return got


def exchange(
    session: Session, *, index: bytes, holder: str | None, store: str | None = None
) -> Issued:
    """Turn a printed code into a coupon, and tell of it; see `coupons.issuing.exchange`."""
    got = issuing.exchange(session, index=index, holder=holder, store=store)
    coupon_news.tell_claimed(session, [got], holder=holder)
    return got


def hand_on(session: Session, *, coupon: str, giver: str, taker: str) -> datetime:
    """Give a member's coupon to another, and tell of it; see `coupons.issuing.hand_on`."""
    done = issuing.hand_on(session, coupon=coupon, giver=giver, taker=taker)
    if not done.repeated:
        coupon_news.tell_transferred(session, coupon, giver=giver, taker=taker)
    return done.valid_until


def accept(session: Session, *, token: str, taker: str) -> Accepted:
    """Give a member the coupon of a link, and tell of it; see `coupons.shares.accept`."""
    got = shares.accept(session, token=token, taker=taker, keys=coupon_keys(session))
    if not got.repeated:
        coupon_news.tell_transferred(session, got.coupon, giver=got.giver, taker=taker)
    return got


def void(session: Session, coupons: Sequence[str], *, by: str, reason: str) -> Recall:
    """Call coupons back, on record, and tell of it; see `coupons.issuing.void`."""
    done = issuing.void(session, coupons, why=audit.masked(reason))
    coupon_news.tell_voided(session, done)
    audit.record(
        session,
        actor=by,
        action="coupon.void",
        object=f"coupons:{len(coupons)}",
        after={"coupons": list(coupons), "voided": done.voided, "used": list(done.used)},
        reason=reason,
    )
    return done


def void_some(
    session: Session,
    *,
    batch: str,
    run: str | None,
    why: str,
    after: int,
    limit: int = 5_000,
) -> Recall:
    """Call a batch's coupons back, or those of a run of codes, some at a time, and tell of it.

    See `coupons.issuing.void_batch`; the caller puts it on record.
    """
    if run is None:
        done = issuing.void_batch(session, batch, why=why, after=after, limit=limit)
    else:
        done = runs.void_run(session, batch=batch, name=run, why=why, after=after, limit=limit)
    coupon_news.tell_voided(session, done)
    return done


def _require_merchants(session: Session, template: Template) -> None:
    """Refuse a payer or owner that is not there: no sale could be settled that a coupon is used in.

    Raises:
        BadTemplate: names the first, by its path.
    """
    named = {
        f"template.terms.funding.parts[{position}].name": part.name
        for position, part in enumerate(template.terms.funding.parts)
        if part.kind is FunderKind.MERCHANT and part.name
    }
    if template.offer is not None and template.offer.stacking.owner != DISTRICT:
        named["template.offer.stacking.owner"] = template.offer.stacking.owner
    directory = get_directory(session)
    for path, name in named.items():
        try:
            code = directory.get_merchant(name).code
        except NotFound:
            raise BadTemplate(
                path, f"商圈没有商户 {name}", f"the district has no merchant {name}"
            ) from None
        if path.endswith(".owner") and name != code:  # Two names would be two owners.
            raise BadTemplate(path, f"请写商户编号 {code}", f"write the merchant's code, {code}")


def _require_one_acceptor(template: Template) -> None:
    """Refuse money on a coupon that several merchants would accept: that is another's business.

    Raises:
        BadTemplate: the scope does not name one merchant alone.
    """
    offer = template.offer
    if offer is None or not isinstance(offer.benefit, StoredValue):
        return
    if len(offer.scope.include.merchants) != 1:
        raise BadTemplate(
            "template.offer.scope.include.merchants",
            "储值券仅限一家商户使用，请写明是哪一家",
            "money on a coupon is for one merchant alone: name it",
        )


def _open(
    session: Session,
    code: str,
    template: str,
    starts_at: datetime,
    ends_at: datetime,
    *,
    by: str,
    reason: str,
) -> ListedBatch:
    opened = batches.open_batch(
        session, code=code, template=template, starts_at=starts_at, ends_at=ends_at, by=by
    )
    audit.record(
        session,
        actor=by,
        action="coupon.batch_open",
        object=f"coupon-batch:{code}",
        after={
            "template": template,
            "version": opened.version,
            "starts_at": starts_at.isoformat(),
            "ends_at": ends_at.isoformat(),
        },
        reason=reason,
    )
    return opened


def _worth_fen(template: Template) -> int | None:
    """Return the most that one use, or the money on a coupon, comes to; None: it is not known."""
    benefit = None if template.offer is None else template.offer.benefit
    match benefit:
        case AmountOff() | StoredValue():
            return benefit.fen
        case EveryOff():
            return None if benefit.times is None else benefit.times * benefit.fen
        case PercentOff() | Delivery():
            return benefit.ceiling_fen
        case _:
            return None
