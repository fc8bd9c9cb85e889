"""Sealing: signs the days of the books and the rows of the audit once nobody can add to them.

Off every business path: the clock's job asks where the seals stand, not when it last ran. The
ledger hashes and makes records (ledger/proofs.py); the key that signs them is ours.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Select, func, insert, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.audit import AuditRecord
from app.errors import StateConflict
from config.database import Base, district_of
from config.keys import KEY_BYTES
from config.settings import Settings
from ledger import proofs, verifying
from ledger.proofs import Signature
from ledger.upkeep import Violation

AUDIT = b"\x03"  # What is hashed and signed of the audit begins so; days begin otherwise.
_SECONDS = 600


class AuditSeal(Base):
    """A run of audit rows as it was signed; its record names the record of the run before it."""

    __tablename__ = "audit_seal"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    through_id: Mapped[int] = mapped_column(unique=True)
    record: Mapped[str]
    hash: Mapped[bytes]
    key_id: Mapped[str]
    signature: Mapped[bytes]
    sealed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


@dataclass(frozen=True, kw_only=True)
class ProofKeys:
    """The key that signs, and by short name every public key that we trust, earlier ones too."""

    secret: Ed25519PrivateKey = field(repr=False)
    trusted: Mapping[str, Ed25519PublicKey]

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public half of the key that signs."""
        return self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> Signature:
        """Return our signature of a message."""
        return Signature(key_id=verifying.key_id(self.public), signature=self.secret.sign(message))

    def holds(self, message: bytes, signed: Signature) -> bool:
        """Whether a key that we trust has signed the message."""
        key = self.trusted.get(signed.key_id)
        if key is None:
            return False
        try:
            key.verify(signed.signature, message)
        except InvalidSignature:
            return False
        return True


def keys_of(settings: Settings) -> ProofKeys:
    """Return the keys of an installation."""
    return keys_from(settings.proof_key, retired=settings.retired_proof_keys)


def keys_from(secret: bytes, *, retired: tuple[bytes, ...] = ()) -> ProofKeys:
    """Return the key of 32 secret bytes, with the public halves of those before it."""
    key = Ed25519PrivateKey.from_private_bytes(secret)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    trusted = {
        verifying.key_id(raw): Ed25519PublicKey.from_public_bytes(raw) for raw in (public, *retired)
    }
    return ProofKeys(secret=key, trusted=trusted)


def proof_keys(session: Session) -> ProofKeys:
    """Return the keys that the process handed to this transaction."""
    return cast("ProofKeys", session.info["proof_keys"])


def offline_key(session: Session) -> Ed25519PrivateKey:
    """Return the key that signs offline coupons: its own, made of the one that signs days.

    It is replaced with that one. Its public half stays in the database, for tills, until the last
    token that it signed is over.
    """
    secret = proof_keys(session).secret.private_bytes_raw()
    derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"offline-coupon/v1")
    return Ed25519PrivateKey.from_private_bytes(derived.derive(secret))


def seal(session: Session, *, through: date | None = None) -> list[date] | None:
    """Seal all closed days through one (by default all of them), and the audit; return the days.

    None: it cannot be done while an older transaction runs; try again later. A repeat does
    nothing. A killed one leaves nothing, and the next does it all.

    Raises:
        StateConflict: the day is not closed.
    """
    session.execute(_TIME, {"limit": f"{_SECONDS}s"})
    last_row = session.scalar(select(func.max(AuditRecord.id)))
    last_closed: date = session.execute(_FIRST_OPEN_DAY).scalar_one() - timedelta(days=1)
    wanted = last_closed if through is None else through
    if wanted > last_closed:
        raise StateConflict("day", str(wanted), "open", "尚未关账", "it is still open for booking")
    sealed = proofs.seal_days(session, through=wanted, sign=proof_keys(session).sign)
    # Who had taken a number up to the last row has ended meanwhile: no row comes in below it.
    if sealed is not None and last_row is not None:
        _seal_audit(session, through_id=last_row)
    return sealed


def audit_seals() -> Select[AuditSeal]:
    """Return the query of all runs of audit rows, in their order."""
    return select(AuditSeal).order_by(AuditSeal.number)


def audit(session: Session) -> list[Violation]:
    """Return seals of days and of the audit that do not hold, whoever signed them.

    Hashes all that is sealed anew. Wants a repeatable-read transaction.
    """
    keys = proof_keys(session)
    found = proofs.audit(session)
    for day, message, signed in proofs.signed_records(session):
        if not keys.holds(message, signed):
            found.append(_broken("a day's record is signed by a key of ours", str(day)))
    after, previous = 0, verifying.NOTHING_BEFORE
    for number, row in enumerate(session.scalars(audit_seals())):
        district = json.loads(row.record)["district"]
        record = _audit_record(
            session, number, after_id=after, through_id=row.through_id, previous=previous,
            district=district,
        )  # fmt: skip
        subject = f"{after + 1}–{row.through_id}"
        signed = Signature(key_id=row.key_id, signature=row.signature)
        if (row.number, row.record, row.hash) != (number, record.decode(), _audit_hash(record)):
            found.append(_broken("sealed audit rows are as they were sealed", subject))
        if not keys.holds(AUDIT + row.record.encode(), signed):
            found.append(_broken("a run of audit rows is signed by a key of ours", subject))
        after, previous = row.through_id, row.hash.hex()
    return found


def _seal_audit(session: Session, *, through_id: int) -> None:
    """Seal the audit rows since the last run, if there are any."""
    last = session.scalar(select(AuditSeal).order_by(AuditSeal.number.desc()).limit(1))
    after = last.through_id if last else 0
    if after >= through_id:
        return
    number = last.number + 1 if last else 0
    previous = last.hash.hex() if last else verifying.NOTHING_BEFORE
    record = _audit_record(
        session, number, after_id=after, through_id=through_id, previous=previous,
        district=district_of(session).id,
    )  # fmt: skip
    signed = proof_keys(session).sign(AUDIT + record)
    session.execute(
        insert(AuditSeal).values(
            number=number,
            through_id=through_id,
            record=record.decode(),
            hash=_audit_hash(record),
            key_id=signed.key_id,
            signature=signed.signature,
        )
    )


def _audit_record(
    session: Session, number: int, *, after_id: int, through_id: int, previous: str, district: str
) -> bytes:
    rows = session.execute(_AUDIT_ROWS, {"after": after_id, "through": through_id}).one()
    return verifying.written(
        {
            "district": district,
            "number": number,
            "after_id": after_id,
            "through_id": through_id,
            "rows": rows.found,
            "digest": rows.digest.hex(),
            "previous": previous,
        }
    )


def _audit_hash(record: bytes) -> bytes:
    return hashlib.sha256(AUDIT + record).digest()


def _broken(invariant: str, subject: str) -> Violation:
    return Violation(invariant=invariant, subject=subject, expected=Decimal(1), found=Decimal(0))


_TIME = text("SELECT set_config('statement_timeout', :limit, true)")
_FIRST_OPEN_DAY = text("SELECT first_open_day FROM book")
#: One hash over the hashes of the rows in their order; JSON in PostgreSQL's own fixed form.
_AUDIT_ROWS = text(
    r"""
    SELECT count(*) AS found,
           sha256(coalesce(string_agg(sha256('\x03'::bytea || convert_to(jsonb_build_array(
               a.id, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), a.actor,
               a.on_behalf_of, a.action, a.object, a.before, a.after, a.reason, a.source,
               a.request_id)::text, 'UTF8')), ''::bytea ORDER BY a.id), '')) AS digest
    FROM audit_record a WHERE a.id > :after AND a.id <= :through
    """
)
