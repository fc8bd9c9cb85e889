"""C18, reliability 10: an offline token is signed, and can be written in one way alone."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from coupons import tokens
from coupons.errors import BadToken
from coupons.tokens import Token

SEED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLISHED = Token(
    kid="oct-2026-01",
    jti="cpn_01HZX",
    template="tpl_7",
    store="store_S01",
    fen=2_000,
    starts_at=datetime.fromtimestamp(1_768_464_000, UTC),
    ends_at=datetime.fromtimestamp(1_768_550_400, UTC),
)
KEYS = {"oct-2026-01": SEED.public_key()}
PAYLOAD = (
    b'{"exp":1768550400,"fen":2000,"jti":"cpn_01HZX","kid":"oct-2026-01",'
    b'"nbf":1768464000,"st":"store_S01","tpl":"tpl_7","v":1}'
)
SIGNATURE = "D7BlAv2lkuczIbb7msFWdQwx5H3FBAseIEp9eYB8OmM1XUBvAXSiictGyol_f81AWIEr1nt6lRfSq09huWthBg"

_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
_TOKENS = st.builds(
    lambda starts, hours, **rest: Token(
        starts_at=datetime.fromtimestamp(starts, UTC),
        ends_at=datetime.fromtimestamp(starts, UTC) + timedelta(hours=hours),
        **rest,
    ),
    starts=st.integers(0, 4_000_000_000),
    hours=st.integers(0, 24),
    kid=_NAMES,
    jti=_NAMES,
    template=_NAMES,
    store=_NAMES,
    fen=st.integers(0, 2_000),
)


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_the_published_vector_is_written_and_read() -> None:
    """The key of bytes 00..1f, its payload and its signature, as the rules state them."""
    written = tokens.write(PUBLISHED, SEED)

    assert encoded(tokens.raw(SEED.public_key())) == "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
    assert written == f"OCT1.{encoded(PAYLOAD)}.{SIGNATURE}"
    assert tokens.read(written, KEYS) == PUBLISHED


@given(_TOKENS)
def test_what_is_written_is_read(token: Token) -> None:
    written = tokens.write(token, SEED)

    if len(written) <= tokens.LONGEST:
        assert tokens.read(written, {token.kid: SEED.public_key()}) == token


@given(st.data())
def test_no_byte_of_a_token_can_be_another(data: st.DataObject) -> None:
    """Every place of the published token, every other character there."""
    written = tokens.write(PUBLISHED, SEED)
    place = data.draw(st.integers(0, len(written) - 1))
    other = data.draw(st.characters(codec="utf-8", exclude_characters=written[place]))

    with pytest.raises(BadToken):
        tokens.read(written[:place] + other + written[place + 1 :], KEYS)


@pytest.mark.parametrize(
    "payload",
    [
        PAYLOAD.replace(b'"v":1', b'"v":2'),
        PAYLOAD.replace(b'"fen":2000', b'"fen": 2000'),
        PAYLOAD.replace(b'"fen":2000', b'"fen":2000.0'),
        PAYLOAD.replace(b'"fen":2000', b'"fen":true'),
        PAYLOAD.replace(b'"fen":2000', b'"fen":2000,"fen":2000'),
        PAYLOAD.replace(b'"exp":1768550400,', b""),
        PAYLOAD.replace(b'"exp":1768550400', b'"exp":1e9'),
        PAYLOAD.replace(b'"exp":1768550400', b'"exp":-1'),
        PAYLOAD.replace(b'"exp":1768550400', b'"exp":999999999999999'),
        PAYLOAD.replace(b'"v":1', b'"v":1,"x":1'),
        PAYLOAD.replace(b"cpn_01HZX", b"cpn_01HZ\\u0058"),
        b"[1]",
        b"{",
        b"\xff",
        b"[" * 400,
    ],
)
def test_a_payload_that_is_written_otherwise_is_refused_though_it_is_signed(payload: bytes) -> None:
    signed = f"OCT1.{encoded(payload)}"
    written = f"{signed}.{encoded(SEED.sign(signed.encode()))}"

    with pytest.raises(BadToken):
        tokens.read(written, KEYS)


def test_another_key_another_name_and_nonsense_are_refused() -> None:
    written = tokens.write(PUBLISHED, SEED)
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
    forged = tokens.write(PUBLISHED, stranger)
    padded = written + "="

    for wrong in (forged, padded, written + ".", "", ".", "OCT1.", "OCT1..", "OCT2" + written[4:]):
        with pytest.raises(BadToken):
            tokens.read(wrong, KEYS)
    with pytest.raises(BadToken):
        tokens.read(written, {"oct-2026-02": SEED.public_key()})
    with pytest.raises(BadToken):
        tokens.read(written + "A" * tokens.LONGEST, KEYS)
