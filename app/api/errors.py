"""What the HTTP door itself refuses, before or beside any room (reliability §1, §8, §12, §15)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.errors import AppError

_SHOWN = 80  # characters of a pointer, in a text for people


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One wrong value of a request: where (a JSON pointer), and what is wrong with it."""

    pointer: str
    code: str


class DoorError(AppError):
    """Root of the door's refusals: with headers and faults, where they have some."""

    headers: Mapping[str, str] = {}
    faults: Sequence[Fault] = ()


class BadSignature(DoorError):
    """Whoever calls is not proven. One text for every cause: it teaches a forger nothing."""

    headers: Mapping[str, str] = {"WWW-Authenticate": "POS1-HMAC-SHA256"}

    def __init__(self) -> None:
        super().__init__(
            "签名无效：请核对密钥、时间、随机数和待签字符串 / "
            "The signature does not hold: check key, time, nonce and the string that is signed"
        )


class Unauthenticated(DoorError):
    """Nobody is signed in. One text for every cause."""

    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}

    def __init__(self) -> None:
        super().__init__("请重新登录 / Sign in again")


class WrongCode(DoorError):
    """The sign-in code does not hold: wrong, over, used, or tried too often."""

    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}

    def __init__(self) -> None:
        super().__init__(
            "验证码不正确或已失效，请核对或重新获取 / "
            "The code does not hold: check it, or ask for another"
        )


class WrongSignIn(DoorError):
    """Staff who are not known, or whose password or code does not hold: one text for all."""

    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}

    def __init__(self) -> None:
        super().__init__(
            "登录名、密码或动态码不正确 / Name, password and code do not hold together"
        )


class ConsentRequired(DoorError):
    """Becoming a member needs consent to the current text."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"新会员须先同意会员服务条款（版本 {version}） / "
            f"A new member first agrees to the terms of membership (version {version})"
        )


class ClockSkew(DoorError):
    """The till's clock is more than five minutes off."""

    headers: Mapping[str, str] = {"WWW-Authenticate": "POS1-HMAC-SHA256"}

    def __init__(self, *, timestamp: int, now: int) -> None:
        super().__init__(
            f"收银机时间相差 {timestamp - now} 秒，服务器时间 {now}；请对时（GET /v1/pos/time） / "
            f"The till's clock is off by {timestamp - now} s, it is {now} here; "
            "set it by GET /v1/pos/time"
        )


class RateLimited(DoorError):
    """Too many requests; `seconds` later there is room again."""

    def __init__(self, *, seconds: int) -> None:
        super().__init__(
            f"请求过多，请 {seconds} 秒后再试 / Too many requests: try again in {seconds} s"
        )
        self.headers = {"Retry-After": str(seconds)}


class Malformed(DoorError):
    """The body is no JSON object that the door accepts; `why` is in both languages."""

    def __init__(self, why: str) -> None:
        super().__init__(why)


class WrongMediaType(DoorError):
    """The body is not plain JSON."""

    def __init__(self) -> None:
        super().__init__(
            "请求体须为 application/json，不压缩 / "
            "The body must be application/json, not compressed"
        )


class UnknownField(DoorError):
    """A field that the door does not know: refused, never ignored."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"未知字段：{_places(faults)} / Unknown fields: {_places(faults)}")
        self.faults = faults


class ValidationFailed(DoorError):
    """Values that can never be right."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"内容有误：{_places(faults)} / Wrong values: {_places(faults)}")
        self.faults = faults


class IdempotencyKeyMissing(DoorError):
    """A write without `Idempotency-Key`."""

    def __init__(self) -> None:
        super().__init__(
            "写操作须带 Idempotency-Key，首次发送前生成并保存 / "
            "A write needs an Idempotency-Key, made and kept before the first send"
        )


class IdempotencyKeyInvalid(DoorError):
    """The key is not 16 to 64 of the characters allowed."""

    def __init__(self) -> None:
        super().__init__(
            "Idempotency-Key 须为 16 到 64 个字母、数字或 _ . : - / "
            "Idempotency-Key: 16 to 64 letters, digits or _ . : -"
        )


class IdempotencyKeyReused(DoorError):
    """The key was used for another request (semantics 38)."""

    def __init__(self) -> None:
        super().__init__(
            "该幂等键已用于另一个请求，请换新键 / "
            "This key was used for another request: make a new one"
        )


class InFlight(DoorError):
    """The first request with this key is still at work."""

    def __init__(self) -> None:
        super().__init__(
            "同一请求正在处理，请稍后用同一幂等键重试 / "
            "The same request is at work: repeat with the same key in a moment"
        )


def _places(faults: Sequence[Fault]) -> str:
    named = [f"{fault.pointer[:_SHOWN] or '/'} ({fault.code})" for fault in faults[:5]]
    return ", ".join(named) + (" …" if len(faults) > len(named) else "")
