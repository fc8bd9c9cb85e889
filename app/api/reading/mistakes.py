"""The mistakes that vendors make, tried in turn: which makes the very signature sent? Pure."""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from app.api.reading.sent import Said, Sent, noted
from app.api.signing import Signed


def find_mistakes(sent: Sent, secret: bytes) -> list[Said]:
    """Return what would have made the signature of a request, or nothing if no mistake does."""
    given = sent.part("signature")
    for told, text in _strings(sent):
        for how, key in _secrets(secret):
            digest = hmac.new(key, text, hashlib.sha256).digest()
            for form, written in _forms(digest):
                if given == written:
                    return [each for each in (told, how, form) if each is not None]
    return []


def _strings(sent: Sent) -> Iterator[tuple[Said | None, bytes]]:
    right = sent.text_of(sent.signed)
    yield None, right.encode()
    for told, text in _written_otherwise(sent, right):
        yield told, text.encode()
    for told, other in _others(sent, sent.signed):
        yield told, sent.text_of(other).encode()
    if sent.string_to_sign is not None:
        hint = noted(
            "right-hmac",
            "密钥与 HMAC 都对，只是待签字符串不同",
            "secret and HMAC are right; only the string differs",
        )
        yield hint, sent.string_to_sign


def _written_otherwise(sent: Sent, right: str) -> Iterator[tuple[Said, str]]:
    """Return the right string as it is often written wrong."""
    lines = right.split("\n")[:-2]
    digest = base64.b64encode(hashlib.sha256(sent.body).digest()).decode()
    yield (
        noted("no-last-newline", "最后一行后也要换行", "the last line needs its newline too"),
        right[:-1],
    )
    yield (
        noted("crlf", "换行须为 \\n，不是 \\r\\n", "lines end in \\n, not \\r\\n"),
        right.replace("\n", "\r\n"),
    )
    yield (
        noted(
            "literal-newline",
            "\\n 须是换行符，不是反斜杠加 n 两个字符",
            "\\n is one newline, not a backslash and an n",
        ),
        right.replace("\n", "\\n"),
    )
    yield (
        noted("bom", "字符串前有 BOM", "a byte order mark stands before the string"),
        f"\ufeff{right}",
    )
    yield (
        noted("upper-hash", "请求体哈希须为小写", "the body's hash is in lower case"),
        "\n".join([*lines, right.split("\n")[-2].upper(), ""]),
    )
    yield (
        noted("base64-hash", "请求体哈希须为十六进制", "the body's hash is in hex, not base64"),
        "\n".join([*lines, digest, ""]),
    )


def _others(sent: Sent, signed: Signed) -> Iterator[tuple[Said, Signed]]:
    """Return requests that are nearly this one."""
    parameters = "&".join(sorted(signed.query.split("&")))
    quoted = f'"{signed.idempotency_key}"'
    yield (
        noted("question-mark", "查询不含 ?", "the query stands without its ?"),
        replace(signed, query=f"?{signed.query}"),
    )
    yield (
        noted("query-in-path", "查询单独一行，不在路径里", "the query has a line of its own"),
        replace(signed, path=sent.path, query=""),
    )
    yield (
        noted("no-query", "漏了查询", "the query was left out"),
        replace(signed, query=""),
    )
    yield (
        noted("sorted-query", "查询按发送的顺序，不排序", "the query stays as sent, unsorted"),
        replace(signed, query=parameters),
    )
    yield (
        noted("decoded", "路径与查询按发送的编码，不解码", "path and query stay encoded as sent"),
        replace(signed, path=unquote(signed.path), query=unquote(signed.query)),
    )
    yield (
        noted("lower-method", "方法须大写", "the method is in capitals"),
        replace(signed, method=signed.method.lower()),
    )
    yield (
        noted("no-key", "漏了 Idempotency-Key", "the Idempotency-Key was left out"),
        replace(signed, idempotency_key=""),
    )
    yield (
        noted(
            "quoted-key", "Idempotency-Key 不带引号", "the Idempotency-Key stands without quotes"
        ),
        replace(signed, idempotency_key=quoted),
    )
    yield from _bodies(signed)


def _bodies(signed: Signed) -> Iterator[tuple[Said, Signed]]:
    body = signed.body
    yield noted("no-body", "漏了请求体", "the body was left out"), replace(signed, body=b"")
    for told, other in (
        ("body-newline", body + b"\n"),
        ("body-newline", body.rstrip(b"\r\n")),
        ("body-crlf", body.replace(b"\r\n", b"\n")),
        ("body-crlf", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")),
        ("body-bom", b"\xef\xbb\xbf" + body),
        ("body-bom", body.removeprefix(b"\xef\xbb\xbf")),
    ):
        said = noted(told, "签名与发送的请求体字节不同", "signed and sent bytes of the body differ")
        yield said, replace(signed, body=other)
    try:
        local = body.decode().encode("gb18030")
    except UnicodeDecodeError:
        return
    said = noted(
        "body-gbk", "签名时请求体是 GBK，须为 UTF-8", "the body was signed in GBK, not UTF-8"
    )
    yield said, replace(signed, body=local)


def _secrets(secret: bytes) -> Iterator[tuple[Said | None, bytes]]:
    yield None, secret
    yield (
        noted(
            "undecoded-secret", "密钥须先从 base64 解码", "the secret is decoded from base64 first"
        ),
        base64.b64encode(secret),
    )
    yield (
        noted(
            "hex-secret", "密钥是 32 字节，不是其十六进制文本", "the secret is 32 bytes, not hex"
        ),
        secret.hex().encode(),
    )


def _forms(digest: bytes) -> Iterator[tuple[Said | None, str]]:
    """Return how people write an HMAC; only the first form is right."""
    plain = base64.b64encode(digest).decode()
    yield None, plain
    as_hex = noted(
        "hex-signature", "签名须为 base64，不是十六进制", "the signature is base64, not hex"
    )
    yield as_hex, digest.hex()
    yield as_hex, digest.hex().upper()
    yield as_hex, base64.b64encode(digest.hex().encode()).decode()
    url = noted("base64url", "须为标准 base64，不是 base64url", "plain base64, not base64url")
    yield url, base64.urlsafe_b64encode(digest).decode()
    yield url, base64.urlsafe_b64encode(digest).decode().rstrip("=")
    yield url, plain.rstrip("=")
