"""Why a signature does not hold: each usual mistake is named (P4; reliability §8)."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace

import pytest

from app.api.reading.debugging import explain, visible
from app.api.reading.sent import Sent, State, read_headers

SECRET = bytes(range(32))
NOW = 1768464000
NONCE = "n-0123456789abcdef"
BODY = '{"name":"龙井","amount_fen":12800}\n'.encode()


def _header(**other: str) -> str:
    parts = {"key_id": "pk_test_0001", "timestamp": str(NOW), "nonce": NONCE, "signature": "AAAA"}
    said = ",".join(f'{name}="{value}"' for name, value in {**parts, **other}.items())
    return f"POS1-HMAC-SHA256 {said}"


def _text(sent: Sent) -> str:
    return sent.text_of(sent.signed)


def _signed(sent: Sent, text: str | bytes, *, secret: bytes = SECRET, how: str = "base64") -> Sent:
    raw = text if isinstance(text, bytes) else text.encode()
    digest = hmac.new(secret, raw, hashlib.sha256).digest()
    written = digest.hex() if how == "hex" else base64.b64encode(digest).decode()
    if how == "base64url":
        written = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    header = sent.authorization.replace('signature=""', f'signature="{written}"')
    return replace(sent, headers={**sent.headers, "authorization": header})


@pytest.fixture
def sent() -> Sent:
    """A request whose signature is still to be made."""
    return Sent(
        method="POST",
        path="/v1/pos/orders?b=2&a=%E8%8C%B6",
        headers={
            "authorization": f'POS1-HMAC-SHA256 key_id="pk_test_0001",timestamp="{NOW}",'
            f'nonce="{NONCE}",signature=""',
            "idempotency-key": "idem-0001-0001-0001",
        },
        body=BODY,
    )


def test_the_vector_of_the_rules_holds() -> None:
    """Reliability §8"""
    body = b'{"member_code":"9201234567891234","pos_txn_no":"T20260115-0001","amount_fen":12800}'
    given = Sent(
        method="POST",
        path="/v1/pos/redemptions?dry_run=0&store=S01",
        headers=read_headers(
            f'Authorization: POS1-HMAC-SHA256 key_id="pk_test_0001",timestamp="{NOW}",'
            f'nonce="{NONCE}",signature="1zh61iCZpJO3GZpTaWdjZ9rTOk+L0Cbfbk9X/KXfCkw="\r\n'
            'Idempotency-Key: "idem-0001-0001-0001"'
        ),
        body=body,
    )

    found = explain(given, secret=SECRET, now=NOW)

    assert found.holds
    assert found.expected_signature == "1zh61iCZpJO3GZpTaWdjZ9rTOk+L0Cbfbk9X/KXfCkw="
    assert found.mistakes == []
    assert found.body_sha256 == "e4e8d838b12585f939f53a508ccf2a33609d9967d7922ae83dcba47c0f7064fd"


MISTAKES: dict[str, Callable[[str], str]] = {
    "no-last-newline": lambda text: text[:-1],
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "literal-newline": lambda text: text.replace("\n", "\\n"),
    "bom": lambda text: "\ufeff" + text,
    "question-mark": lambda text: text.replace("b=2&a", "?b=2&a"),
    "query-in-path": lambda text: text.replace(
        "orders\nb=2&a=%E8%8C%B6\n", "orders?b=2&a=%E8%8C%B6\n\n"
    ),
    "no-query": lambda text: text.replace("b=2&a=%E8%8C%B6", ""),
    "sorted-query": lambda text: text.replace("b=2&a=%E8%8C%B6", "a=%E8%8C%B6&b=2"),
    "decoded": lambda text: text.replace("%E8%8C%B6", "茶"),
    "lower-method": lambda text: text.replace("POST", "post"),
    "no-key": lambda text: text.replace("idem-0001-0001-0001", ""),
    "quoted-key": lambda text: text.replace("idem-0001-0001-0001", '"idem-0001-0001-0001"'),
    "upper-hash": lambda text: text.replace(
        hashlib.sha256(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest().upper()
    ),
    "base64-hash": lambda text: text.replace(
        hashlib.sha256(BODY).hexdigest(), base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    ),
    "no-body": lambda text: _hashed(text, b""),
    "body-newline": lambda text: _hashed(text, BODY.rstrip()),
    "body-crlf": lambda text: _hashed(text, BODY.replace(b"\n", b"\r\n")),
    "body-bom": lambda text: _hashed(text, b"\xef\xbb\xbf" + BODY),
    "body-gbk": lambda text: _hashed(text, BODY.decode().encode("gb18030")),
}


def _hashed(text: str, body: bytes) -> str:
    return text.replace(hashlib.sha256(BODY).hexdigest(), hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_usual_mistake_is_named(sent: Sent, mistake: str) -> None:
    wrong = _signed(sent, MISTAKES[mistake](_text(sent)))

    found = explain(wrong, secret=SECRET, now=NOW)

    assert not found.holds
    assert [each.code for each in found.mistakes] == [mistake]


@pytest.mark.parametrize(
    ("secret", "how", "codes"),
    [
        (base64.b64encode(SECRET), "base64", ["undecoded-secret"]),
        (SECRET.hex().encode(), "base64", ["hex-secret"]),
        (SECRET, "hex", ["hex-signature"]),
        (SECRET, "base64url", ["base64url"]),
        (base64.b64encode(SECRET), "hex", ["undecoded-secret", "hex-signature"]),
    ],
)
def test_a_wrong_use_of_the_secret_or_the_signature_is_named(
    sent: Sent, secret: bytes, how: str, codes: list[str]
) -> None:
    wrong = _signed(sent, _text(sent), secret=secret, how=how)

    found = explain(wrong, secret=SECRET, now=NOW)

    assert [each.code for each in found.mistakes] == codes


def test_who_signed_another_string_rightly_is_told_so(sent: Sent) -> None:
    theirs = _text(sent).replace("/v1/pos/orders", "/v1/pos/order")
    wrong = replace(_signed(sent, theirs), string_to_sign=theirs.encode())

    found = explain(wrong, secret=SECRET, now=NOW)

    assert [each.code for each in found.mistakes] == ["right-hmac"]
    differing = [(line.en, line.at) for line in found.lines if line.at is not None]
    assert differing == [("path", 14)]


def test_a_signature_out_of_nowhere_has_no_explanation(sent: Sent) -> None:
    found = explain(_signed(sent, "something else"), secret=SECRET, now=NOW)

    assert not found.holds
    assert found.mistakes == []
    assert [each.code for each in found.checks if each.state is State.WRONG] == ["signature"]


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert visible("a b\r\n\t\ufeff\u00a0\u200b龙") == "a b«CR»«LF»«TAB»«U+FEFF»«U+00A0»«U+200B»龙"


def test_a_missing_last_newline_and_carriage_returns_are_shown(sent: Sent) -> None:
    text = _text(sent)
    theirs = text[:-1].replace("POST\n", "POST\r\n")

    found = explain(replace(sent, string_to_sign=theirs.encode()), secret=SECRET, now=NOW)

    method, last = found.lines[4], found.lines[8]
    assert (method.ours, method.theirs, method.at) == ("POST«LF»", "POST«CR»«LF»", 6)
    assert last.ours == f"{last.theirs}«LF»"
    assert last.at == 65


def test_what_their_string_has_too_much_is_shown(sent: Sent) -> None:
    found = explain(
        replace(sent, string_to_sign=(_text(sent) + "\n").encode()), secret=SECRET, now=NOW
    )

    assert (found.lines[9].en, found.lines[9].ours, found.lines[9].theirs) == (
        "too much",
        "",
        "«LF»",
    )


def test_a_string_that_is_not_utf_8_is_named(sent: Sent) -> None:
    found = explain(replace(sent, string_to_sign="茶".encode("gb18030")), secret=SECRET, now=NOW)

    assert "your string is not UTF-8" in [each.en for each in found.checks]


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        ("", ["authorization"]),
        (
            'Bearer key_id="pk_test_0001"',
            ["scheme", "missing-timestamp", "missing-nonce", "missing-signature"],
        ),
        (
            _header(timestamp=f"{NOW}000"),
            ["milliseconds"],
        ),
        (
            _header(timestamp="now"),
            ["timestamp"],
        ),
        (
            _header(nonce="short", signature="A-_A"),
            ["nonce", "base64"],
        ),
        (
            _header(v="1"),
            ["unknown-part"],
        ),
        (_header().replace("=", " = "), ["form"]),
    ],
)
def test_a_header_of_another_form_is_told_what_is_wrong_with_it(
    sent: Sent, header: str, codes: list[str]
) -> None:
    found = explain(
        replace(sent, headers={**sent.headers, "authorization": header}), secret=None, now=NOW
    )

    wrong = [each.code for each in found.checks if each.state is State.WRONG]
    assert wrong == codes
    assert found.expected_signature is None
    assert not found.holds


def test_a_clock_that_is_off_is_a_note(sent: Sent) -> None:
    """The request may have been sent an hour ago: it is explained all the same."""
    found = explain(_signed(sent, _text(sent)), secret=SECRET, now=NOW + 3600)

    clock = next(each for each in found.checks if each.code == "clock")
    assert found.holds
    assert clock.state is State.NOTE
    assert "-3600 s" in clock.en


def test_the_key_of_a_closed_store_does_not_hold(sent: Sent) -> None:
    """Reliability §8: an active key, and its store is open."""
    found = explain(_signed(sent, _text(sent)), secret=SECRET, now=NOW, may_sign=False)

    assert not found.holds
    assert [each.code for each in found.checks if each.state is State.WRONG] == ["store"]
