"""What a program or a cashier does after each refusal, in both languages: a row a code."""

from collections.abc import Mapping

_SAME = ("用同一幂等键、同样的内容重试", "repeat the same bytes under the same key")

ADVICE: Mapping[str, tuple[str, str]] = {
    "bad-request": (
        "修正请求；内容不是合法 JSON",
        "mend the program: the body is no JSON as taken here",
    ),
    "validation-failed": ("按 errors 中的位置修正", "mend what the pointers in errors name"),
    "unknown-field": ("检查拼写，删除未知字段", "check the spelling; leave unknown fields out"),
    "idempotency-key-missing": ("首次发送前生成键并保存", "make a key, keep it, then send"),
    "idempotency-key-invalid": ("16 到 64 个允许的字符", "16 to 64 of the characters allowed"),
    "bad-signature": ("用签名调试页面核对", "compare in the signature debugger"),
    "clock-skew": (
        "用 GET /v1/pos/time 对时后重试",
        "set the clock by GET /v1/pos/time, then repeat",
    ),
    "unauthenticated": ("续期令牌，或重新登录", "refresh the tokens, or sign in again"),
    "consent-required": (
        "展示会员条款，取得同意后再登录",
        "show the terms, then sign in with their version",
    ),
    "forbidden": ("换有权限的人操作", "somebody with the permission does it"),
    "approval-required": ("由另一人审批", "somebody else approves"),
    "not-found": ("核对编号与商圈", "check the id, and the district of the key"),
    "method-not-allowed": ("看 Allow 响应头", "see the Allow header"),
    "business-key-conflict": (
        "该单号已用于另一笔，查询后换新单号",
        "the number names another sale: look it up, take a new number",
    ),
    "idempotency-in-flight": (
        "等 Retry-After 后用同一键重试",
        "wait for Retry-After, then repeat under the same key",
    ),
    "insufficient-points": ("少抵扣一些，换新键", "burn fewer, under a new key"),
    "sold-out": ("已领完，勿重试", "there is no more: do not repeat"),
    "already-claimed": ("该会员已达上限", "this member has as many as anybody may"),
    "already-redeemed": ("换一张券，重新报价", "use another coupon and quote anew"),
    "budget-exhausted": ("去掉该券，重新报价", "leave the coupon out and quote anew"),
    "lock-expired": ("取消订单，重新下单", "cancel the order and place another"),
    "burn-not-confirmed": (
        "会员在手机上确认后，带 burn_confirmation 换新键重试",
        "when the member has tapped, again under a new key with burn_confirmation",
    ),
    "not-sealed-yet": ("次日封账后再取", "ask again when the next day has sealed it"),
    "member-code-used": ("请会员等下一个码再扫", "scan the next code of the phone"),
    "state-conflict": ("把 detail 给收银员看", "show detail to the cashier"),
    "expired": ("重新识别或重新报价", "identify or quote again"),
    "too-large": ("请求体不超过 1 MiB", "at most 1 MiB"),
    "unsupported-media-type": (
        "Content-Type 用 application/json，不压缩",
        "application/json, uncompressed",
    ),
    "idempotency-key-reused": ("内容变了就要换新键", "other content needs a new key"),
    "refund-exceeds-remaining": ("按 detail 中的余额退", "give back what detail says is left"),
    "rule-not-met": ("把 detail 给收银员看", "show detail to the cashier"),
    "rate-limited": ("等 Retry-After 后重试", "wait for Retry-After"),
    "internal": (f"{_SAME[0]}，并把 instance 告诉我们", f"{_SAME[1]}, and tell us the instance"),
    "overloaded": _SAME,
    "outcome-unknown": _SAME,
    "maintenance": ("稍后再试；同一幂等键仍有效", "later, under the same key"),
}
