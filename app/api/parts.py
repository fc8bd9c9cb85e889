"""Requests of many parts: each in a transaction of its own, the answer stored with the last.

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
from app.api.edge import Again, Contract, View, enter, respond, sent_body
from app.api.errors import DoorError
from app.api.fields import DoorSchema, instance, load
from app.api.problems import INTERNAL, problem_of, refuse
from app.errors import AppError
from app.merchants.directory import ListedStore
from ledger.errors import LedgerError

Verdict = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What all parts of one request share; a verdict holds what its view made as `each`."""

    view: View
    gives: type[DoorSchema]
    each: str
    claim: Claim
    key: str
    fingerprint: bytes

    def judge(
        self, session: Session, *, part: Any, before: Sequence[Verdict], last: bool
    ) -> Verdict | Answer:
        """Return the verdict on one part, or the whole answer: the stored one, or with the last.

        Raises:
            InFlight, IdempotencyKeyReused, Collision: as `idempotency.once`.
        """
        store = enter(session, self.claim)
        scope = Scope(principal=store.public_id, key=self.key, fingerprint=self.fingerprint)
        known = idempotency.begin(session, scope)
        if known is not None:
            return known
        verdict = self._verdict(session, store, part)
        refused = verdict["status"] >= HTTPStatus.BAD_REQUEST
        if last:
            answer = self._answer([*before, verdict])
            answers.store(session, scope, answer, undone=refused)
            return answer
        if refused:
            answers.undo(session)
        return verdict

    def _verdict(self, session: Session, store: ListedStore, part: Any) -> Verdict:
        try:
            made = self.view(session, store, part)
            session.flush()
        except (AppError, LedgerError) as error:
            problem = problem_of(error)
            if isinstance(error, DoorError) or problem.status >= INTERNAL.status:
                raise
            return {"status": problem.status, "problem": refuse(error).get_json()}
        if isinstance(made, Again):
            return {"status": int(HTTPStatus.OK), self.each: made.value}
        return {"status": int(HTTPStatus.CREATED), self.each: made}

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


def writes_each(
    takes: type[DoorSchema], gives: type[DoorSchema], *, name: str, each: str
) -> Callable[[View], View]:
    """Make a view answer for each thing in the list `name`, with a verdict on every one."""

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
            )
            return _each(shared, parts)

        door.contract = Contract(takes=takes, gives=gives, keyed=True)  # type: ignore[attr-defined]
        return door

    return decorate


def _each(shared: _Request, parts: Sequence[Any]) -> Response:
    verdicts: list[Verdict] = []
    for part in parts:
        last = len(verdicts) + 1 == len(parts)
        done = services().database.run(
            shared.claim.district,
            partial(shared.judge, part=part, before=verdicts, last=last),
        )
        if isinstance(done, Answer):
            return respond(done, replayed=done.fingerprint is not None)
        verdicts.append(done)
    raise AssertionError("unreachable: the last part brings the answer")
