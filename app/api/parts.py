"""Requests of many parts: chunks in a transaction each, the answer stored with the last one.

A chunk is done whole or not at all. One that is refused is halved until what is refused stands by
itself, so that each part has a verdict of its own and no other suffers for it (decision 22).

A repeat of a request that died half-way runs again; its parts have business keys, so those that
were done are told and not done twice. While one runs, another with its key is told to wait.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from app.api import answers, auth, bodies, idempotency
from app.api.answers import Answer, Scope
from app.api.auth import Claim
from app.api.context import services
from app.api.edge import Again, Contract, Refused, View, enter, respond, sent_body
from app.api.errors import DoorError
from app.api.fields import DoorSchema, instance, load
from app.api.problems import INTERNAL, problem_of, refuse
from app.errors import AppError
from app.merchants.directory import ListedStore
from coupons.errors import CouponError
from ledger.errors import LedgerError

CHUNK = 50

Verdict = dict[str, Any]


class _Refused(Exception):
    """Some part of a chunk of several was refused: nothing of the chunk stays."""


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What all parts of one request share; a verdict holds what its view made as `each`.

    The view takes some parts and returns what it made of each, all or none. Those that are `alone`
    it gets one by one; such a one it may refuse and keep what it wrote, by `Refused`.
    """

    view: View
    gives: type[DoorSchema]
    each: str
    claim: Claim
    key: str
    fingerprint: bytes
    alone: Callable[[Any], bool]

    def judge(
        self, session: Session, *, parts: Sequence[Any], before: Sequence[Verdict], last: bool
    ) -> list[Verdict] | Answer:
        """Return the verdicts on some parts, or the whole answer: the stored one, or with the last.

        Raises:
            _Refused: one of several parts was; ask for fewer.
            InFlight, IdempotencyKeyReused, Collision: as `idempotency.once`.
        """
        store = enter(session, self.claim)
        scope = Scope(principal=store.public_id, key=self.key, fingerprint=self.fingerprint)
        known = idempotency.begin(session, scope)
        if known is not None:
            return known
        verdicts, undone = self._verdicts(session, store, parts)
        if last:
            answer = self._answer([*before, *verdicts])
            answers.store(session, scope, answer, undone=undone)
            return answer
        if undone:
            answers.undo(session)
        return verdicts

    def _verdicts(
        self, session: Session, store: ListedStore, parts: Sequence[Any]
    ) -> tuple[list[Verdict], bool]:
        """Return the verdicts, and whether what was written has to go."""
        try:
            made = self.view(session, store, parts)
            session.flush()
        except (AppError, CouponError, LedgerError) as error:
            problem = problem_of(error)
            if isinstance(error, DoorError) or problem.status >= INTERNAL.status:
                raise
            if len(parts) > 1:
                raise _Refused from error
            return [_refusal(error)], True
        return [self._verdict(one) for one in made], False

    def _verdict(self, one: object) -> Verdict:
        if isinstance(one, Refused):
            return _refusal(one.error)
        if isinstance(one, Again):
            return {"status": int(HTTPStatus.OK), self.each: one.value}
        return {"status": int(HTTPStatus.CREATED), self.each: one}

    def chunks(self, parts: Sequence[Any]) -> list[Sequence[Any]]:
        """Return the parts in their order, so many at a time, and some by themselves."""
        found: list[list[Any]] = []
        for part in parts:
            alone = self.alone(part)
            if alone or not found or len(found[-1]) == CHUNK or self.alone(found[-1][0]):
                found.append([])
            found[-1].append(part)
        return list(found)

    def _answer(self, verdicts: Sequence[Verdict]) -> Answer:
        refused = sum(verdict["status"] >= HTTPStatus.BAD_REQUEST for verdict in verdicts)
        told = {
            "accepted": len(verdicts) - refused,
            "refused": refused,
            "verdicts": verdicts,
        }
        body = json.dumps(
            instance(self.gives).dump(told), ensure_ascii=False, separators=(",", ":")
        )
        return Answer(status=HTTPStatus.OK, body=body.encode())


def _refusal(error: Exception) -> Verdict:
    return {"status": problem_of(error).status, "problem": refuse(error).get_json()}


def writes_each(
    takes: type[DoorSchema],
    gives: type[DoorSchema],
    *,
    name: str,
    each: str,
    alone: Callable[[Any], bool] = lambda _: False,
) -> Callable[[View], View]:
    """Make a view answer for the things in the list `name`, with a verdict on every one.

    `alone` says which of them it gets by themselves.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def door() -> Response:
            key = idempotency.check_key(auth.idempotency_key())
            body = sent_body()
            parts = load(takes, body)[name]
            shared = _Request(
                view=view,
                gives=gives,
                each=each,
                claim=auth.claim(),
                key=key,
                fingerprint=bodies.fingerprint(request.method, request.path, body),
                alone=alone,
            )
            return _each(shared, parts)

        door.contract = Contract(takes=takes, gives=gives, keyed=True)  # type: ignore[attr-defined]
        return door

    return decorate


def _each(shared: _Request, parts: Sequence[Any]) -> Response:
    verdicts: list[Verdict] = []
    waiting = shared.chunks(parts)
    while waiting:
        chunk = waiting.pop(0)
        judge = partial(shared.judge, parts=chunk, before=verdicts, last=not waiting)
        try:
            with auth.in_its_district(shared.claim):
                done = services().database.run(shared.claim.district, judge)
        except _Refused:
            half = len(chunk) // 2
            waiting[:0] = [chunk[:half], chunk[half:]]
            continue
        if isinstance(done, Answer):
            return respond(done, replayed=done.fingerprint is not None)
        verdicts += done
    raise AssertionError("unreachable: the last chunk brings the answer")
