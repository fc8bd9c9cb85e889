"""Reliability §8: the string that is signed, its vector, and headers that are no such signature."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import signing
from app.api.signing import Signed

BODY = b'{"member_code":"9201234567891234","pos_txn_no":"T20260115-0001","amount_fen":12800}'
VECTOR = Signed(
    method="POST",
    path="/v1/pos/redemptions",
    query="dry_run=0&store=S01",
    idempotency_key="idem-0001-0001-0001",
    body=BODY,
)
HEADER = (
    'POS1-HMAC-SHA256 key_id="pk_test_0001",timestamp="1768464000",'
    'nonce="n-0123456789abcdef",signature="1zh61iCZpJO3GZpTaWdjZ9rTOk+L0Cbfbk9X/KXfCkw="'
)


def test_the_vector_of_the_rules_holds() -> None:
    text = VECTOR.string_to_sign(
        key_id="pk_test_0001", timestamp=1768464000, nonce="n-0123456789abcdef"
    )

    signature = signing.sign(bytes(range(32)), text)

    assert len(BODY) == 83
    assert hashlib.sha256(BODY).hexdigest() == text.splitlines()[-1]
    assert text.splitlines()[-1] == (
        "e4e8d838b12585f939f53a508ccf2a33609d9967d7922ae83dcba47c0f7064fd"
    )
    assert text.count("\n") == 9
    assert base64.b64encode(signature) == b"1zh61iCZpJO3GZpTaWdjZ9rTOk+L0Cbfbk9X/KXfCkw="


def test_a_header_is_read_whatever_the_order_and_spaces() -> None:
    said = signing.parse(HEADER)
    parts = HEADER.removeprefix("POS1-HMAC-SHA256 ").split(",")

    assert said is not None
    assert (said.key_id, said.timestamp, said.nonce) == (
        "pk_test_0001", 1768464000, "n-0123456789abcdef",
    )  # fmt: skip
    assert signing.parse("POS1-HMAC-SHA256 " + " , ".join(reversed(parts))) == said


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer x",
        HEADER.replace("POS1", "POS2"),
        HEADER.replace("1768464000", "176846400"),
        HEADER.replace("1768464000", "１７６８４６４０００"),
        HEADER.replace("n-0123456789abcdef", "short"),
        HEADER.replace("n-0123456789abcdef", "n" * 65),
        HEADER.replace('="1zh', '="!zh'),
        HEADER + ',extra="1"',
        HEADER + ',nonce="n-0123456789abcdef"',
        HEADER.replace("nonce", "nonse"),
        HEADER.replace('"', "'"),
        HEADER + " " * 600,
    ],
)
def test_other_headers_are_no_signature(header: str) -> None:
    assert signing.parse(header) is None


@given(st.text())
def test_no_header_makes_it_stumble(text: str) -> None:
    signing.parse(f"POS1-HMAC-SHA256 {text}")
