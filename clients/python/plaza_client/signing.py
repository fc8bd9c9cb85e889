"""`POS1-HMAC-SHA256`: nine lines, each ended by a newline, under the store's secret."""

import base64
import hashlib
import hmac

SCHEME = "POS1-HMAC-SHA256"


def string_to_sign(
    *,
    key_id: str,
    timestamp: int,
    nonce: str,
    method: str,
    path: str,
    query: str,
    idempotency_key: str,
    body: bytes,
) -> str:
    """Return what is signed; path and query as they are sent, the query without `?`."""
    lines = (
        SCHEME,
        key_id,
        str(timestamp),
        nonce,
        method,
        path,
        query,
        idempotency_key,
        hashlib.sha256(body).hexdigest(),
    )
    return "".join(f"{line}\n" for line in lines)


def authorization(secret: bytes, text: str, *, key_id: str, timestamp: int, nonce: str) -> str:
    """Return the `Authorization` header for a string to sign."""
    digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    return (
        f'{SCHEME} key_id="{key_id}",timestamp="{timestamp}",'
        f'nonce="{nonce}",signature="{signature}"'
    )
