"""Phone numbers: one written form for each, and the form that may be shown."""

import re
import unicodedata

from app.members.errors import BadPhone

# China by its own numbering plan; other countries by the shape of E.164, with their code.
_CHINA = re.compile(r"(?:\+86|0086|86)?(1[3-9]\d{9})", re.ASCII)
_ABROAD = re.compile(r"\+(?!86)[1-9]\d{6,14}", re.ASCII)
_PUNCTUATION = re.compile(r"[\s\-‐‑–().]")


def normalised(written: str) -> str:
    """Return a phone number in E.164, whatever spaces, hyphens or full-width digits it had.

    Raises:
        BadPhone: it cannot be a mobile number; the refusal does not repeat it.
    """
    digits = _PUNCTUATION.sub("", unicodedata.normalize("NFKC", written))
    if found := _CHINA.fullmatch(digits):
        return f"+86{found[1]}"
    if _ABROAD.fullmatch(digits):
        return digits
    raise BadPhone


def masked_phone(number: str) -> str:
    """Return a number in E.164 as it may be shown: 138****8000, +852****4567."""
    if found := _CHINA.fullmatch(number):
        return f"{found[1][:3]}****{found[1][-4:]}"
    return f"{number[:4]}****{number[-4:]}" if len(number) >= 12 else f"{number[:2]}****"


def masked_name(name: str) -> str:
    """Return a name as it may be shown: its first character and a star."""
    return f"{name[:1]}*"
