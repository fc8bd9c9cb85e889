"""The edge of a view: JSON in and out, one transaction, a repeated key answered as before.

`reads` and `writes` are a view's contract; OpenAPI is generated from them. A view is a plain
function of the session, the store or member that calls and a value; it returns a value.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Response, abort, request
from sqlalchemy.orm import Session
from werkzeug.datastructures import ContentRange

from app import audit
from app.api import auth, bodies, idempotency
from app.api.answers import Answer, Scope
from app.api.auth import ActingStaff, AnyClaim, StaffClaim
from app.api.context import request_id, services
from app.api.errors import Fault, ValidationFailed, WrongMediaType
from app.api.fields import DoorSchema, Whole, YesNo, instance, load, step_to
from app.api.idempotency import Outcome
from app.api.problems import refuse
from app.errors import AppError
from app.merchants.directory import ListedStore
from app.merchants.errors import NotPermitted
from coupons.errors import CouponError

View = Callable[..., Any]

CSV = "text/csv"


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What a route takes and gives; `keyed` routes want an `Idempotency-Key`.

    `again`: there is a business key beside it, and its first result is told again. `pages` is what
    the route gives instead where it is asked for a list and not for one thing. `conflicts`: a
    reading route that may be asked too early. `media`: it streams this, and no JSON. `listed`: the
    field that may come as lines of text in place of JSON, the others in the query then.
    """

    gives: type[DoorSchema]
    takes: type[DoorSchema] | None = None
    query: type[DoorSchema] | None = None
    pages: type[DoorSchema] | None = None
    status: HTTPStatus = HTTPStatus.OK
    keyed: bool = False
    again: bool = False
    conflicts: bool = False
    media: str = ""
    listed: str = ""


@dataclass(frozen=True, kw_only=True)
class Again:
    """What a view returns when the till's own number was known: the first result, once more."""

    value: object


@dataclass(frozen=True, kw_only=True)
class Refused:
    """What a view returns for a refusal that stands together with what it wrote, as a count."""

    error: AppError | CouponError


@dataclass(frozen=True, kw_only=True)
class File:
    """What a view returns that streams: so many bytes, and `parts` of them from any byte on."""

    name: str
    size: int
    parts: Callable[[int], Iterator[bytes]]


@dataclass(frozen=True, kw_only=True)
class Paged:
    """What a view returns that was asked for a list, where its route also tells of one thing."""

    value: object


def tells(gives: type[DoorSchema]) -> Callable[[View], View]:
    """Make a view answer without a transaction and without a store."""

    def decorate(view: View) -> View:
        @wraps(view)
        def door() -> Response:
            return respond(_answer(gives, view(), HTTPStatus.OK))

        door.contract = Contract(gives=gives)  # type: ignore[attr-defined]
        return door

    return decorate


def weighs(takes: type[DoorSchema], gives: type[DoorSchema]) -> Callable[[View], View]:
    """Make a view answer about what was sent, without a transaction and without a store."""

    def decorate(view: View) -> View:
        @wraps(view)
        def door() -> Response:
            return respond(_answer(gives, view(load(takes, sent_body())), HTTPStatus.OK))

        door.contract = Contract(takes=takes, gives=gives)  # type: ignore[attr-defined]
        return door

    return decorate


def reads(
    gives: type[DoorSchema],
    *,
    query: type[DoorSchema] | None = None,
    pages: type[DoorSchema] | None = None,
    conflicts: bool = False,
    read_only: bool = True,
    kept_seconds: int | None = None,
) -> Callable[[View], View]:
    """Make a view answer in a transaction that only reads; `query` checks what stands after `?`.

    What it returns as `Paged` is written by `pages`. `conflicts`: it may answer 409. Not
    `read_only`: what it tells is made when it is first asked for, and the same ever after. The
    caller may keep an answer for `kept_seconds`; by default for none.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def door(**path: str) -> Response:
            asked = {} if query is None else {"asked": load(query, _query())}
            claim = auth.caller()
            with (
                admitted(claim),
                services().database.transaction(claim.district, read_only=read_only) as session,
            ):
                caller = _enter(session, claim)
                made = view(session, caller, **asked, **path)
                if isinstance(made, Paged) and pages is not None:
                    answer = _answer(pages, made.value, HTTPStatus.OK)
                else:
                    answer = _answer(gives, made, HTTPStatus.OK)
            response = respond(answer)
            if kept_seconds is not None:
                response.headers["Cache-Control"] = f"private, max-age={kept_seconds}"
            return response

        door.contract = Contract(  # type: ignore[attr-defined]
            gives=gives, query=query, pages=pages, conflicts=conflicts
        )
        return door

    return decorate


def streams(media: str) -> Callable[[View], View]:
    """Make a view answer with a file, after its transaction; one `Range` of it may be asked for.

    What the view writes, such as a row of the audit, is committed before the first byte leaves.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def door(**path: str) -> Response:
            claim = auth.caller()

            def work(session: Session) -> File:
                file: File = view(session, _enter(session, claim), **path)
                return file

            with admitted(claim):
                file = services().database.run(claim.district, work)
            return _streamed(file, media)

        door.contract = Contract(  # type: ignore[attr-defined]
            gives=DoorSchema, conflicts=True, media=media
        )
        return door

    return decorate


def writes(
    takes: type[DoorSchema],
    gives: type[DoorSchema],
    *,
    status: HTTPStatus = HTTPStatus.CREATED,
    keyed: bool = True,
    again: bool = False,
    admits: Callable[[Any], None] | None = None,
    listed: str = "",
) -> Callable[[View], View]:
    """Make a view answer in one transaction, once a key; not `keyed`: as often as it is asked.

    A view that may return `Again` says so by `again`. `admits` may refuse what was asked before
    the transaction begins; nothing is stored of that. A body of `text/csv` is the lines of the
    field `listed`; its other fields stand in the query.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def door(**path: str) -> Response:
            key = idempotency.check_key(auth.idempotency_key()) if keyed else ""
            lines = bool(listed) and request.mimetype == CSV
            body = _sent_lines(takes, listed) if lines else sent_body()
            asked = load(takes, body)
            if admits is not None:
                admits(asked)
            claim = auth.caller()
            fingerprint = bodies.fingerprint(request.method, request.path, body)

            def work(session: Session) -> Outcome:
                caller = _enter(session, claim)

                def run() -> Answer:
                    return _answer(gives, view(session, caller, asked, **path), status)

                if not keyed:
                    return Outcome(answer=run(), replayed=False)
                scope = Scope(principal=caller.public_id, key=key, fingerprint=fingerprint)
                return idempotency.once(session, scope, run, refusal=_refusal)

            with admitted(claim):
                outcome = services().database.run(claim.district, work)
            return respond(outcome.answer, replayed=outcome.replayed)

        door.contract = Contract(  # type: ignore[attr-defined]
            takes=takes, gives=gives, status=status, keyed=keyed, again=again, listed=listed
        )
        return door

    return decorate


def opens(
    takes: type[DoorSchema],
    gives: type[DoorSchema],
    *,
    status: HTTPStatus = HTTPStatus.OK,
    admits: Callable[[], None] | None = None,
    source: str = "member",
) -> Callable[[View], View]:
    """Make a view answer whoever is not signed in yet, in the district that the body names.

    `admits` counts the request before its transaction begins. `source` is what the audit calls the
    door.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def door() -> Response:
            asked = load(takes, sent_body())
            if admits is not None:
                admits()

            def work(session: Session) -> Answer:
                session.info.update(source=source, request_id=request_id())
                return _answer(gives, view(session, asked), status)

            return respond(services().database.run(asked.district, work))

        door.contract = Contract(takes=takes, gives=gives, status=status)  # type: ignore[attr-defined]
        return door

    return decorate


def enter(session: Session, claim: auth.Claim) -> ListedStore:
    """Say where a transaction comes from, and return the store that calls."""
    session.info.update(source="pos", request_id=request_id())
    return auth.gate().confirm(session, claim)


@contextmanager
def admitted(claim: AnyClaim) -> Iterator[None]:
    """Put it on record if staff ask for what they may not do; the act itself is rolled back.

    Raises:
        BadSignature, Unauthenticated: the district that the key or token names is no more.
    """
    try:
        with auth.in_its_district(claim):
            yield
    except NotPermitted as refused:
        with services().database.transaction(claim.district, even_stopped=True) as session:
            session.info.update(source="manage", request_id=request_id())
            audit.record(
                session,
                actor=f"login:{refused.login}",
                action="staff.refused",
                object=f"permission:{refused.permission}",
            )
        raise


def _enter(session: Session, claim: AnyClaim) -> ListedStore | auth.SignedIn | ActingStaff:
    """Return the store, the member or the staff member that calls, as this transaction sees it."""
    if isinstance(claim, auth.Claim):
        return enter(session, claim)
    if isinstance(claim, StaffClaim):
        session.info.update(source="manage", request_id=request_id())
        return auth.gate().confirm_staff(session, claim)
    session.info.update(source="member", request_id=request_id())
    return auth.gate().confirm_member(session, claim)


def sent_body() -> dict[str, Any]:
    """Return the JSON object of this request."""
    if request.mimetype != "application/json" or request.content_encoding:
        raise WrongMediaType
    return bodies.parse(request.get_data(cache=True))


def _sent_lines(takes: type[DoorSchema], listed: str) -> dict[str, Any]:
    """Return a body of lines as the JSON object that says the same."""
    if request.content_encoding:
        raise WrongMediaType
    known = instance(takes).fields
    said = {name: _typed(known.get(name), value) for name, value in _query().items()}
    return {**said, listed: bodies.lines(request.get_data(cache=True))}


def _typed(field: object, value: str) -> object:
    """Return what a text of the query means to a field; what means nothing is refused later."""
    if isinstance(field, Whole) and value.isascii() and value.isdigit():
        return int(value[:18])
    if isinstance(field, YesNo):
        return {"true": True, "false": False}.get(value, value)
    return value


def _query() -> dict[str, str]:
    """Return the query's parameters; a name that stands twice is refused."""
    sent = request.args.to_dict(flat=False)
    twice = [name for name, values in sent.items() if len(values) > 1]
    if twice:
        raise ValidationFailed([Fault(pointer=step_to(name), code="repeated") for name in twice])
    return {name: values[0] for name, values in sent.items()}


def _answer(gives: type[DoorSchema], made: object, status: HTTPStatus) -> Answer:
    if isinstance(made, Refused):
        return _refusal(made.error)
    again = isinstance(made, Again)
    value = made.value if isinstance(made, Again) else made
    body = json.dumps(instance(gives).dump(value), ensure_ascii=False, separators=(",", ":"))
    return Answer(status=HTTPStatus.OK if again else status, body=body.encode(), again=again)


def _refusal(error: Exception) -> Answer:
    response = refuse(error)
    return Answer(status=response.status_code, body=response.get_data())


def _streamed(file: File, media: str) -> Response:
    asked = request.range
    start, stop = 0, file.size
    if asked is not None:
        found = asked.range_for_length(file.size)
        if found is None:
            abort(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        start, stop = found
    response = Response(_cut(file.parts(start), stop - start), content_type=media)
    response.content_length = stop - start
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Disposition"] = f"attachment; filename={file.name}"
    if asked is not None:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response.content_range = ContentRange("bytes", start, stop, file.size)
    return response


def _cut(parts: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Return parts up to so many bytes in all."""
    for part in parts:
        yield part[:size]
        size -= len(part)
        if size <= 0:
            return


def respond(answer: Answer, *, replayed: bool = False) -> Response:
    """Return an answer as a response, and say whether its key had been answered before."""
    refused = answer.status >= HTTPStatus.BAD_REQUEST
    response = Response(
        answer.body,
        status=answer.status,
        content_type="application/problem+json" if refused else "application/json",
    )
    if answer.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 §15.5.2
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    elif answer.again:
        response.headers["Business-Replayed"] = "true"
    return response
