"""The member code: twenty digits that a phone makes by itself, offline too (reliability §9). Pure.

`9`, the mode (`1` identify, `2` spend), ten digits that name the seed of one device, and eight of a
one-time password: HOTP over SHA-256 (RFC 4226, RFC 6238) that changes every thirty seconds. The
two modes have keys of their own, so a code that was seen at an earn never becomes one that spends.
"""

import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.members.presence import Mode
from config.keys import hotp

STEP_SECONDS = 30
SEED_BYTES = 32
ALIAS_DIGITS = 10
OTP_DIGITS = 8

_CODE = re.compile(r"9([12])(\d{10})(\d{8})", re.ASCII)
_DIGITS = {Mode.EARN: "1", Mode.SPEND: "2"}
_MODES = {digit: mode for mode, digit in _DIGITS.items()}
_USES = {Mode.EARN: "identify", Mode.SPEND: "spend"}
_ACCEPTED_STEPS = (0, -1, 1)


@dataclass(frozen=True, kw_only=True)
class MemberCode:
    """A member code taken apart; nothing of it is proven."""

    mode: Mode
    alias: str
    otp: str

    def matching_step(self, seed: bytes, *, at: datetime) -> int | None:
        """Return the step that this code was made for, at most one away from an instant's."""
        for offset in _ACCEPTED_STEPS:
            step = step_at(at) + offset
            if hmac.compare_digest(one_time_password(seed, mode=self.mode, step=step), self.otp):
                return step
        return None


def parse(written: str) -> MemberCode | None:
    """Return the parts of a scanned code, or None if it is no member code."""
    found = _CODE.fullmatch(written)
    return MemberCode(mode=_MODES[found[1]], alias=found[2], otp=found[3]) if found else None


def write(seed: bytes, *, alias: str, mode: Mode, at: datetime) -> str:
    """Return the code that a phone with this seed shows at an instant."""
    return f"9{_DIGITS[mode]}{alias}{one_time_password(seed, mode=mode, step=step_at(at))}"


def step_at(at: datetime) -> int:
    """Return the number of the thirty seconds that an instant lies in."""
    return int(at.timestamp()) // STEP_SECONDS


def one_time_password(seed: bytes, *, mode: Mode, step: int) -> str:
    """Return the eight digits of a step."""
    use = f"member-code/v1/{_USES[mode]}".encode()
    key = HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=None, info=use).derive(seed)
    return hotp(key, step, digits=OTP_DIGITS, digest="sha256")
