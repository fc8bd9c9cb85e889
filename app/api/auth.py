"""Proves who calls: a store by its signature (reliability §8), a member or staff by a token.

The signature is proven before any transaction, with the keys that this process knows; the
transaction then makes sure, without a statement of its own, that the key still holds.
"""

import hmac
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from typing import ParamSpec, TypeVar, cast

from flask import current_app, g, request
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge

from app.api import limits, signing, tokens
from app.api.errors import BadSignature, ClockSkew, Unauthenticated
from app.api.limits import Bucket, Limit, Limiter
from app.api.signing import Signature, Signed
from app.api.tokens import MemberClaim
from app.clock import server_now
from app.members import devices
from app.members.devices import Device
from app.members.identification import KnownMember
from app.merchants import keys, staff_sessions
from app.merchants.directory import ListedStore, get_directory
from app.merchants.keys import ListedKey
from app.merchants.models import MerchantStatus, Staff, Standing
from app.merchants.staff import Permission, require
from app.merchants.staff_sessions import LiveSession
from app.wiring import Services
from config.database import Database, district_of, now_of, remember
from config.errors import UnknownDistrict
from config.keys import KeyRing

log = logging.getLogger(__name__)

SKEW_SECONDS = 300

P = ParamSpec("P")
R = TypeVar("R")


class Role(StrEnum):
    """Who a route is for: whoever runs the service, anybody, a store's tills, a member, staff."""

    SUPERVISOR = "supervisor"
    ANYONE = "anyone"
    STORE = "store"
    MEMBER = "member"
    STAFF = "staff"


@dataclass(frozen=True, kw_only=True)
class CallingKey:
    """A key that may sign and the store that it belongs to.

    `pace` is how many times the usual limits the store may send: above one in a sandbox alone.
    """

    key: ListedKey
    store: ListedStore
    pace: int

    @property
    def is_open(self) -> bool:
        """Whether its store trades at all."""
        return self.store.status is Standing.ACTIVE and self.store.merchant.status not in (
            MerchantStatus.FROZEN,
            MerchantStatus.EXITED,
        )


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A proven signature: of which district, by which key."""

    district: str
    key_id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """A member as this transaction sees him, and the device on which he is signed in."""

    device: Device

    @property
    def member(self) -> KnownMember:
        """The member, for the rooms."""
        return self.device.member

    @property
    def public_id(self) -> str:
        """Whose idempotency keys these are."""
        return self.device.member.public_id


@dataclass(frozen=True, kw_only=True)
class StaffClaim:
    """A proven token of staff, and what the route allows only to who may; None: to all staff."""

    district: str
    token_hash: bytes = field(repr=False)
    permission: Permission | None


@dataclass(frozen=True, kw_only=True)
class ActingStaff:
    """A staff member as this transaction sees him, in the session in which he is signed in."""

    live: LiveSession

    @property
    def staff(self) -> Staff:
        """The staff member, with the roles that he has now."""
        return self.live.staff

    @property
    def public_id(self) -> str:
        """Whose acts and idempotency keys these are."""
        return self.live.staff.public_id


AnyClaim = Claim | MemberClaim | StaffClaim


class Gate:
    """What a process keeps to prove callers: the keys it has read, and the limits."""

    def __init__(self, given: Services) -> None:
        self._database: Database = given.database
        self._ring: KeyRing = given.settings.key_ring
        self._limiter = Limiter(given.redis)
        self._known: dict[str, Mapping[str, CallingKey]] = {}
        self._tokens = tokens.token_keys(given.settings.token_key)

    def admit_anyone(self, *, address: str, few: Bucket | None = None) -> None:
        """Let an unproven caller in, sixty times a minute; or as often as a route says itself.

        Raises:
            RateLimited: more often.
        """
        kind, limit = ("anyone", limits.ANYONE) if few is None else (few.name, few.limit)
        self._limiter.pass_through([self._from(address, kind, limit)])

    def prove(
        self,
        asked: Signed,
        *,
        authorization: str,
        address: str,
        now: float,
        few: Bucket | None = None,
    ) -> Claim:
        """Return whose signature a request carries; each signature is good once.

        The order of the checks is reliability §8's: key, clock, signature, nonce. `few` is the
        route's own limit for each store, beside those that all requests have.

        Raises:
            BadSignature: anything is wrong; callers are not told what.
            ClockSkew: the till's clock is more than five minutes off.
            RateLimited: the store, the address or the district sends too much.
        """
        said = signing.parse(authorization)
        district = keys.district_of_key(said.key_id) if said else None
        known = self._find(district, said.key_id, address) if said and district else None
        if said is None or district is None or known is None or not known.is_open:
            raise self._refusal(BadSignature(), said, address)
        if abs(said.timestamp - now) > SKEW_SECONDS:
            skew = ClockSkew(timestamp=said.timestamp, now=int(now))
            raise self._refusal(skew, said, address)
        text = asked.string_to_sign(key_id=said.key_id, timestamp=said.timestamp, nonce=said.nonce)
        if not hmac.compare_digest(signing.sign(known.key.secret, text), said.signature):
            raise self._refusal(BadSignature(), said, address)
        buckets = [
            Bucket(name=f"{district}:store:{known.store.id}", limit=limits.STORE.times(known.pace)),
            Bucket(name=f"{district}:all", limit=limits.DISTRICT),
            self._from(address, "signed", limits.ADDRESS),
        ]
        if few is not None:
            name = f"{district}:store:{known.store.id}:{few.name}"
            buckets.append(Bucket(name=name, limit=few.limit.times(known.pace)))
        self._limiter.pass_through(
            buckets,
            nonce=f"{district}:{said.key_id}:{said.nonce}",
        )
        return Claim(district=district, key_id=said.key_id, secret=known.key.secret)

    def confirm(self, session: Session, claim: Claim) -> ListedStore:
        """Return the store that calls, as this transaction sees it; no SQL when warm.

        Raises:
            BadSignature: the key was revoked or has ended, or the store is closed, meanwhile.
        """
        found = self._read(session, claim.district).get(claim.key_id)
        if (
            found is None
            or found.key.secret != claim.secret
            or not found.key.valid_at(now_of(session))
            or not found.is_open
        ):
            raise BadSignature
        return found.store

    def admit_to_codes(self, *, address: str) -> None:
        """Let an address ask for a sign-in code, twenty times an hour at most (reliability §12).

        Raises:
            RateLimited: more often.
        """
        self._limiter.pass_through([self._from(address, "codes", limits.CODES)])

    def prove_member(
        self, *, authorization: str, address: str, few: Bucket | None = None
    ) -> MemberClaim:
        """Return whose token a request carries.

        Raises:
            Unauthenticated: anything is wrong; callers are not told what.
            RateLimited: the member, the address or the district sends too much.
        """
        scheme, _, token = authorization.partition(" ")
        said = tokens.read(self._tokens, token) if scheme == "Bearer" else None
        if said is None:
            raise self._refusal(Unauthenticated(), None, address)
        buckets = [
            Bucket(name=f"{said.district}:member:{said.member}", limit=limits.MEMBER),
            Bucket(name=f"{said.district}:all", limit=limits.DISTRICT),
            self._from(address, "signed", limits.ADDRESS),
        ]
        if few is not None:
            name = f"{said.district}:member:{said.member}:{few.name}"
            buckets.append(Bucket(name=name, limit=few.limit))
        self._limiter.pass_through(buckets)
        return said

    def confirm_member(self, session: Session, claim: MemberClaim) -> SignedIn:
        """Return the member who calls, as this transaction sees him; one round trip.

        Raises:
            Unauthenticated: the session was ended, or the account closed, meanwhile.
        """
        device = devices.find(session, claim.device, now=server_now(session))
        if device is None or device.member.public_id != claim.member:
            raise Unauthenticated
        return SignedIn(device=device)

    def admit_to_sign_in(self, *, address: str) -> None:
        """Let an address try to sign staff in, twenty times an hour at most (reliability §12).

        Raises:
            RateLimited: more often.
        """
        self._limiter.pass_through([self._from(address, "staff-sign-in", limits.CODES)])

    def prove_staff(
        self,
        *,
        authorization: str,
        address: str,
        permission: Permission | None,
        few: Bucket | None = None,
    ) -> StaffClaim:
        """Return whose token a request carries; half an hour begins anew for its session.

        Tokens are random and known by their hash, so this costs a transaction of its own.

        Raises:
            Unauthenticated: anything is wrong; callers are not told what.
            RateLimited: the staff member, the address or the district sends too much.
        """
        scheme, _, token = authorization.partition(" ")
        district = staff_sessions.district_of_token(token) if scheme == "Bearer" else None
        if district is None:
            raise self._refusal(Unauthenticated(), None, address)
        self._limiter.pass_through([self._from(address, "staff", limits.STAFF)])
        claim = StaffClaim(
            district=district, token_hash=staff_sessions.hash_of(token), permission=permission
        )
        who = self._seen(claim)
        if who is None:
            raise self._refusal(Unauthenticated(), None, address)
        buckets = [
            Bucket(name=f"{district}:staff:{who}", limit=limits.STAFF),
            Bucket(name=f"{district}:all", limit=limits.DISTRICT),
        ]
        if few is not None:
            buckets.append(Bucket(name=f"{district}:staff:{who}:{few.name}", limit=few.limit))
        self._limiter.pass_through(buckets)
        return claim

    def confirm_staff(self, session: Session, claim: StaffClaim) -> ActingStaff:
        """Return the staff member who calls, if his roles of this instant allow it.

        Raises:
            Unauthenticated: the session was ended, or the staff member disabled, meanwhile.
            NotPermitted: none of his roles allows what the route does.
        """
        live = staff_sessions.find(session, claim.token_hash, now=server_now(session))
        if live is None:
            raise Unauthenticated
        if claim.permission is not None:
            require(live.staff, claim.permission)
        return ActingStaff(live=live)

    def _seen(self, claim: StaffClaim) -> str | None:
        """Return whose session it is and note that it was used, in a stopped district too."""
        try:
            with self._database.transaction(claim.district, even_stopped=True) as session:
                now = server_now(session)
                live = staff_sessions.find(session, claim.token_hash, now=now)
                if live is None:
                    return None
                staff_sessions.note_seen(session, live, now=now)
                return live.staff.public_id
        except UnknownDistrict:
            return None

    def token_for(self, session: Session, device: Device) -> str:
        """Return an access token for a device, good for fifteen minutes."""
        claim = MemberClaim(
            district=district_of(session).id,
            member=device.member.public_id,
            device=device.public_id,
        )
        return tokens.issue(self._tokens, claim, now=int(time.time()))

    def _find(self, district: str, key_id: str, address: str) -> CallingKey | None:
        known = self._known.get(district, {}).get(key_id)
        if known is not None:
            return known
        # Reading costs a transaction: who guesses ids does not get many.
        self._limiter.pass_through([self._from(address, "unknown", limits.FORGERS)])
        try:
            with self._database.transaction(district, read_only=True) as session:
                return self._read(session, district).get(key_id)
        except UnknownDistrict:
            return None

    def _read(self, session: Session, district: str) -> Mapping[str, CallingKey]:
        read = get_callers(session)
        self._known[district] = read
        return read

    def _refusal(self, refusal: Exception, said: Signature | None, address: str) -> Exception:
        """Log a failure and count it against its address; too many are told to wait instead."""
        key_id = said.key_id[:80] if said else None
        log.warning("caller_not_proven", extra={"key": key_id, "why": type(refusal).__name__})
        self._limiter.pass_through([self._from(address, "failed", limits.FORGERS)])
        return refusal

    def _from(self, address: str, kind: str, limit: Limit) -> Bucket:
        """Return the bucket of an address, which no Redis key shows."""
        index = self._ring.blind_index("address:v1", address).hex()
        return Bucket(name=f"address:{index}:{kind}", limit=limit)


@contextmanager
def in_its_district(claim: AnyClaim) -> Iterator[None]:
    """Say of a proven caller whose district is gone no more than of any other that is not let in.

    Raises:
        BadSignature, Unauthenticated: the district that the key or token names is no more.
    """
    try:
        yield
    except UnknownDistrict as gone:
        raise (BadSignature() if isinstance(claim, Claim) else Unauthenticated()) from gone


def gate() -> Gate:
    """Return the gate of this process, inside a request."""
    return cast("Gate", current_app.extensions["plaza_gate"])


def claim() -> Claim:
    """Return whose signature the request carries, inside a view that requires a store."""
    return cast("Claim", g.claim)


def caller() -> AnyClaim:
    """Return whose signature or token the request carries, inside a view that requires one."""
    return cast("AnyClaim", g.claim)


def requires(
    role: Role, *, may: Permission | None = None, limit: Limit | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say whom a view is for; nobody else gets past it. The policy table says the same again.

    `may` is what staff must be allowed to do; without it the view is for all staff. `limit` holds
    for each caller on this route, beside the common ones; on a route for anybody, for each address
    in place of the common one.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        few = None if limit is None else Bucket(name=view.__name__, limit=limit)

        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            address = request.remote_addr or ""
            if role is Role.STORE:
                g.claim = gate().prove(
                    signed(),
                    authorization=request.headers.get("Authorization", ""),
                    address=address,
                    now=time.time(),
                    few=few,
                )
            elif role is Role.MEMBER:
                g.claim = gate().prove_member(
                    authorization=request.headers.get("Authorization", ""),
                    address=address,
                    few=few,
                )
            elif role is Role.STAFF:
                g.claim = gate().prove_staff(
                    authorization=request.headers.get("Authorization", ""),
                    address=address,
                    permission=may,
                    few=few,
                )
            elif role is Role.ANYONE:
                gate().admit_anyone(address=address, few=few)
            return view(*args, **kwargs)

        guarded.role = role  # type: ignore[attr-defined]
        guarded.may = may  # type: ignore[attr-defined]
        return guarded

    return decorate


def signed() -> Signed:
    """Return what the signature of this request covers, path and query as they were sent."""
    path, _, query = request.environ.get("RAW_URI", request.full_path).partition("?")
    return Signed(
        method=request.method,
        path=path,
        query=query,
        idempotency_key=idempotency_key(),
        body=_whole_body(),
    )


def _whole_body() -> bytes:
    """Return the body; a chunked one that is too long comes cut off, and no error tells so."""
    body = request.get_data(cache=True)
    most = current_app.config["MAX_CONTENT_LENGTH"]
    if request.content_length is None and len(body) >= most:
        raise RequestEntityTooLarge
    return body


def idempotency_key() -> str:
    """Return the request's idempotency key without the quotes it may have, or an empty text."""
    sent = request.headers.get("Idempotency-Key", "").strip()
    if len(sent) >= 2 and sent.startswith('"') and sent.endswith('"'):
        return sent[1:-1]
    return sent


def get_callers(session: Session) -> Mapping[str, CallingKey]:
    """Return the keys that may sign with their stores, by id; no SQL once they are warm."""
    return remember(session, "api.callers", _load)


def _load(session: Session) -> Mapping[str, CallingKey]:
    stores = get_directory(session).stores
    pace = session.scalars(_PACE, {"id": district_of(session).id}).one()
    return {
        key_id: CallingKey(key=key, store=stores[key.store_id], pace=pace)
        for key_id, key in keys.get_keys(session).items()
    }


_PACE = text("SELECT pace FROM public.district WHERE id = :id")
