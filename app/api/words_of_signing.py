"""What the fields of the signature debugger and of the sandbox mean; see words.py."""

from collections.abc import Mapping
from typing import Any

SIGNING_WORDS: Mapping[str, tuple[Any, ...]] = {
    "method": ("请求方法", "the method", "POST"),
    "path": ("路径与查询，如实发送的样子", "path with query, as they were sent", "/v1/pos/orders"),
    "headers": (
        "请求头，一行一个",
        "the headers, one a line",
        'Authorization: POS1-HMAC-SHA256 key_id="pk_sandbox_PUBLISHED",…',
    ),
    "body": ("请求体", "the body", ""),
    "body_base64": ("请求体的 base64，代替 body", "the body's bytes in base64, in place of body"),
    "string_to_sign": ("待签字符串", "the string to sign", "POS1-HMAC-SHA256\n…"),
    "DebugSignature.string_to_sign": ("你的待签字符串", "the string that your program signed"),
    "string_to_sign_base64": ("它的 base64，代替上一项", "its bytes in base64, in place of it"),
    "holds": ("签名是否正确", "whether the signature would be taken", False),
    "checks": ("逐项检查，顺序同服务器", "every check, in the order of the server"),
    "mistakes": ("正是这些错误得到了你的签名", "the mistakes that make exactly your signature"),
    "Signature.lines": ("待签字符串逐行比较", "the string to sign, line by line"),
    "Said.code": ("代码", "which check or mistake", "no-last-newline"),
    "Said.state": ("ok、wrong 或 note", "ok, wrong, or note, which decides nothing", "note"),
    "Said.zh": ("中文", "in Chinese", "最后一行后也要换行"),
    "Said.en": ("英文", "in English", "the last line needs its newline too"),
    "ComparedLine.zh": ("哪一行（中文）", "which line, in Chinese", "方法"),
    "ComparedLine.en": ("哪一行（英文）", "which line, in English", "method"),
    "ours": ("应签的，不可见字符已标出", "ours, the invisible made visible", "POST«LF»"),
    "theirs": ("你的；未提供为 null", "yours; null if you sent none", "POST«CR»«LF»"),
    "ComparedLine.at": (
        "第几个字符起不同，从 1 开始",
        "the first character that differs, from 1",
        5,
    ),
    "body_sha256": (
        "请求体 SHA-256",
        "SHA-256 of the body",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    "body_bytes": ("请求体字节数", "how many bytes the body has", 0),
    "expected_signature": (
        "应有的签名；未给出密钥为 null",
        "the signature that was expected; null without a key",
        "1zh61iCZpJO3GZpTaWdjZ9rTOk+L0Cbfbk9X/KXfCkw=",
    ),
    "mode": ("earn 只积分，spend 可抵扣", "earn alone, or spend too", "spend"),
}
