"""A repeated key gets the stored answer, byte for byte (reliability §1; decisions 20-22).

The view runs in a savepoint of the request's one transaction: a refusal by the state of things
undoes what the view wrote, is stored, and still commits. Everything else that goes wrong rolls the
whole transaction back, so the key is free again.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.api import answers
from app.api.answers import Answer, Scope
from app.api.errors import (
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InFlight,
)
from app.errors import AppError
from coupons.errors import CouponError
from ledger.errors import LedgerError

STORED_REFUSALS = (409, 422)

_KEY = re.compile(r"[A-Za-z0-9_.:-]{16,64}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a request is answered; `replayed` says that its key had been answered before."""

    answer: Answer
    replayed: bool


def check_key(key: str) -> str:
    """Return a request's key if it has the right form.

    Raises:
        IdempotencyKeyMissing, IdempotencyKeyInvalid: as they say.
    """
    if not key:
        raise IdempotencyKeyMissing
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyInvalid
    return key


def begin(session: Session, scope: Scope) -> Answer | None:
    """Lock a key and set the savepoint; return the answer that it has already, or None.

    Raises:
        InFlight: the first request with this key is at work.
        IdempotencyKeyReused: the key was used for another request.
    """
    beginning = answers.begin(session, scope)
    if not beginning.locked:
        raise InFlight
    known = beginning.answer
    if known is not None and known.fingerprint != scope.fingerprint:
        raise IdempotencyKeyReused
    return known


def once(
    session: Session,
    scope: Scope,
    view: Callable[[], Answer],
    *,
    refusal: Callable[[Exception], Answer],
) -> Outcome:
    """Return what the view answers, and keep it for repeats; two round trips beside the view's.

    `refusal` turns what the rooms refuse into an answer. Those by the state of things (409, 422)
    are kept; others are raised, and nothing of the request remains.

    Raises:
        InFlight, IdempotencyKeyReused: as `begin`.
        Collision: the key was answered meanwhile; run the transaction again.
    """
    known = begin(session, scope)
    if known is not None:
        return Outcome(answer=known, replayed=True)
    undo = False
    try:
        answer = view()
        session.flush()
    except (AppError, CouponError, LedgerError) as error:
        answer = refusal(error)
        if answer.status not in STORED_REFUSALS:
            raise
        undo = True
    answers.store(session, scope, answer, undone=undo)
    return Outcome(answer=answer, replayed=False)
