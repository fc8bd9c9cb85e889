"""What every field of the API means, in both languages, with an example: one table.

OpenAPI and the pages take their words from here. A field is found by `Schema.field`, else by its
name alone; a test fails when one has no words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ORDER = "ord_01KB2N7QX4T5W6Y8Z9ABCDEFGH"
_MERCHANT = "mch_01KB2N7QX4T5W6Y8Z9ABCDEFGH"
_AT = "2026-11-27T02:03:04.000+00:00"
_SOON = "2026-11-27T02:18:04.000+00:00"


@dataclass(frozen=True, kw_only=True)
class Word:
    """The meaning of one field; examples leave an optional field out that has no `example`."""

    zh: str
    en: str
    example: Any = None

    @property
    def both(self) -> str:
        """Both languages in one line."""
        return f"{self.zh} / {self.en}"


def find_word(schema: str, name: str) -> Word | None:
    """Return the words of a schema's field, or None if nobody wrote any."""
    found = _WORDS.get(f"{schema}.{name}") or _WORDS.get(name)
    if found is None:
        return None
    zh, en, *example = found
    return Word(zh=zh, en=en, example=example[0] if example else None)


_WORDS: Mapping[str, tuple[Any, ...]] = {
    # The till and what it sells.
    "terminal_id": ("收银机编号", "the till's code in its store", "T1"),
    "cashier_id": ("收银员编号", "who stands at the till", "007"),
    "number": ("收银机自己的单号，永不重复", "the till's own number, unique for ever", "T1-0001"),
    "refund_number": ("退款部分的单号", "the till's own number of the refund", "T1-0002"),
    "lines": ("商品行", "the lines of the sale"),
    "sku": ("商品编码", "the article's code", "6901"),
    "name": ("名称", "its name", "龙井"),
    "Tender.name": ("支付方式", "means of payment, such as wechat or cash", "wechat"),
    "TenderTotal.name": ("支付方式", "means of payment", "wechat"),
    "Identification.name": ("会员姓名（打码）", "the member's name, masked", "张*"),
    "Profile.name": ("姓名（打码）", "the name, masked", "张*"),
    "OwnProfile.name": ("姓名", "the name in clear", "张三"),
    "ChangeProfile.name": ("姓名", "the name", "张三"),
    "category": ("品类", "category, for rules and reports", "tea"),
    "amount_fen": ("整行净价，单位分", "net price of all its units, in fen", 12800),
    "RefundPart.amount_fen": ("退多少钱，单位分", "how much money goes back, in fen"),
    "quantity": ("件数", "how many units", 1),
    "merchant_id": ("所属商户；省略为本店商户", "another merchant of the district, if it is its"),
    "Membership.merchant_id": ("商户", "the merchant", _MERCHANT),
    "refundable": ("是否可退", "whether it may be given back", True),
    "tenders": ("各支付方式及金额", "money by means of payment"),
    "PlaceOrder.tenders": (
        "各支付方式及金额，合计须等于 due_fen；省略则先下单后支付",
        "money by means of payment, adding up to due_fen; without it the order waits for payment",
    ),
    "fen": ("金额，单位分", "money in fen", 12800),
    "Refund.fen": (
        "退的总额：钱加积分抵扣部分，单位分",
        "all that went back: money by tender and points_fen, in fen",
        12800,
    ),
    "Refund.tenders": ("要退给顾客的钱，按支付方式", "the money to give back, by means of payment"),
    "OwnRefund.fen": (
        "退的总额：钱加积分抵扣部分，单位分",
        "all that went back: money and points_fen, in fen",
        12800,
    ),
    "burn_points": ("想抵扣的积分，按订单自动裁减", "points to pay with, cut to the order", 0),
    "Quote.burn_points": ("本次抵扣的积分", "points that pay for a part", 100),
    "occurred_at": ("业务发生时间，带时区", "when it happened, with offset", _AT),
    "QuoteBasket.occurred_at": ("离线单的业务时间，省略为现在", "for sales captured offline"),
    "PlaceOrder.occurred_at": ("离线单的业务时间，省略为现在", "for sales captured offline"),
    "RefundOrder.occurred_at": ("离线单的业务时间，省略为现在", "for refunds given offline"),
    "quote_id": (
        "报价编号，5 分钟内保价",
        "a quote, whose price holds for 5 minutes",
        "quo_01KB2N7QX4T5W6Y8Z9ABCDEFGH",
    ),
    "PlaceOrder.quote_id": ("按此报价成交", "sell at the price of this quote"),
    # Who is it.
    "identification_id": (
        "识别结果，15 分钟内在本机有效",
        "who was identified; holds for 15 minutes at this till",
        "idn_01KB2N7QX4T5W6Y8Z9ABCDEFGH",
    ),
    "member_code": (
        "扫到的会员码，20 位数字，一次有效",
        "the code that was scanned, good once",
        "92012345678945913395",
    ),
    "card_number": ("会员卡号", "the number of a card", "8800000001"),
    "Identify.card_number": ("会员卡号，三选一", "the number of a card; one of the three"),
    "phone": ("手机号", "phone number", "13800138000"),
    "Identify.phone": ("手机号，三选一", "phone number; one of the three"),
    "CapturedOrder.phone": ("会员手机号，只积分", "the member's phone; earns alone", "13800138000"),
    "Identification.phone": ("手机号（打码）", "the phone, masked", "138****8000"),
    "Profile.phone": ("手机号（打码）", "the phone, masked", "138****8000"),
    "tier": ("等级", "the member's tier", "basic"),
    "may_burn": ("能否抵扣积分", "whether points may be burned", True),
    # What comes back of a sale.
    "order_id": ("订单编号", "the order's id", _ORDER),
    "state": ("状态", "awaiting_payment, paid or cancelled", "paid"),
    "total_fen": ("合计，单位分", "what the lines add up to, in fen", 12800),
    "burned_points": ("抵扣的积分", "points burned", 100),
    "burned_fen": ("积分抵扣的金额，单位分", "what they paid for, in fen", 100),
    "due_fen": ("应付，单位分", "what is to be paid in money, in fen", 12700),
    "earned_points": ("获得的积分", "points earned", 127),
    "until": ("有效至", "holds until", _SOON),
    "receipt": ("小票内容", "what to print about points"),
    "zh": ("中文", "in Chinese", "获得积分 127"),
    "en": ("英文", "in English", "Points earned 127"),
    "Receipt.zh": ("中文小票行", "lines to print, in Chinese", ["获得积分 127", "积分余额 127"]),
    "Receipt.en": (
        "英文小票行",
        "lines to print, in English",
        ["Points earned 127", "Points balance 127"],
    ),
    "balance_points": ("积分余额；无会员为 null", "points left; null without a member", 127),
    "next_expiry": ("最近到期的积分", "points that expire next"),
    "on": ("到期日（当日仍可用）", "their last day", "2027-11-30"),
    "points": ("积分", "points", 127),
    "burn_fen": ("积分抵扣的金额，单位分", "what the points pay for, in fen", 100),
    "may_burn_points": ("最多可抵扣的积分", "the most points that may be burned", 6350),
    "may_burn_fen": ("最多可抵扣的金额，单位分", "what these would pay for, in fen", 6350),
    "earn_points": ("将获得的积分", "points that would be earned", 127),
    "limits": ("抵扣被裁减的原因", "why points to burn were cut"),
    "code": ("代码，程序据此判断", "programs go by this", "validation-failed"),
    "Limit.code": ("原因代码", "the reason's code", "balance"),
    "Fault.code": ("错误代码", "what is wrong with it", "out-of-range"),
    "earned_by": ("各规则给的积分", "points by rule"),
    "rule": ("规则编号", "the rule's code", "yuan"),
    "version": ("版本", "the version", "2026-11"),
    "EarnedBy.version": ("规则版本", "the rule's version", 1),
    "base_fen": ("计分金额，单位分", "money that counts for it, in fen", 12700),
    "factor": ("倍数，精确分数", "the factor, an exact fraction", "1/100"),
    "silent": ("未生效的规则及原因", "rules that give nothing, and why"),
    "why": ("原因代码", "the reason's code", "weekday"),
    # Refunds and totals.
    "parts": ("退哪些；省略为全部剩余", "what goes back; without it all that is left"),
    "line": ("行号，从 1 开始", "number of the line, from 1", 1),
    "refund_id": ("退款编号", "the refund's id", "ref_01KB2N7QX4T5W6Y8Z9ABCDEFGH"),
    "points_fen": ("以积分退回的金额，单位分", "what went back as points, in fen", 0),
    "restored_points": ("退回的积分", "burned points that came back", 0),
    "clawed_points": ("收回的积分", "earned points that were taken back", 127),
    "debt_points": ("欠的积分", "points still owed", 0),
    "written_off_points": ("商户承担的积分", "points that the merchant bears", 0),
    "refund": ("退款", "the refund"),
    "refunds": ("退款", "the refunds"),
    "CashierTotal.refunds": ("退款笔数", "how many refunds", 1),
    "order": ("新订单", "the new order"),
    "Verdict.order": ("订单", "the order, if it was accepted"),
    "to_pay_fen": (
        "补收；负数为退还，单位分",
        "to take in, or below zero to give back, in fen",
        5000,
    ),
    "refunded_fen": ("已退金额，单位分", "what has gone back, in fen", 0),
    "refunded_quantity": ("已退件数", "units that have gone back", 0),
    "OrderLine.number": ("行号", "number of the line", 1),
    "OwnOrderLine.number": ("行号", "number of the line", 1),
    "orders": ("订单", "the orders"),
    "CashierTotal.orders": ("成交笔数", "how many sales", 12),
    "accepted": ("接受了几笔", "how many were accepted", 1),
    "refused": ("拒绝了几笔", "how many were refused", 0),
    "verdicts": ("逐笔结论，顺序同请求", "a verdict each, in the order of the request"),
    "Verdict.status": ("200、201 或错误状态", "200, 201 or a refusal's status", 201),
    "problem": ("拒绝原因", "why it was refused"),
    "day": ("营业日；省略为今天", "the business day; today by default", "2026-11-27"),
    "cashiers": ("按收银员", "by cashier"),
    "sold_fen": ("销售合计，单位分", "what was sold, in fen", 12800),
    "taken_fen": ("收款，单位分", "what was taken, in fen", 12700),
    "given_fen": ("退款，单位分", "what was given back, in fen", 0),
    # The clock and errors.
    "timestamp": ("秒，自 1970 年", "seconds since 1970", 1795745784),
    "now": ("服务器时间", "the server's time", _AT),
    "type": (
        "错误种类的地址",
        "where the kind of error is explained",
        "/problems/validation-failed",
    ),
    "title": ("错误名称", "its name", "内容有误 / Validation failed"),
    "status": ("HTTP 状态", "the HTTP status", 400),
    "Profile.status": ("会员状态", "the member's state", "active"),
    "OwnProfile.status": ("会员状态", "the member's state", "active"),
    "instance": (
        "请求编号，报障时提供",
        "the request's id, to name when you ask us",
        "req_01KB2N7QX4T5W6Y8Z9ABCDEFGH",
    ),
    "retryable": ("稍后重试是否可能成功", "whether the same request may succeed later", False),
    "detail": (
        "给收银员看的说明",
        "what to do, for people to read",
        "内容有误：/lines/0/amount_fen (out-of-range) / Wrong values: …",
    ),
    "errors": ("逐项错误", "the wrong values, one by one"),
    "pointer": (
        "错误位置（JSON Pointer）",
        "where it is wrong (a JSON pointer)",
        "/lines/0/amount_fen",
    ),
    # Members.
    "district": ("商圈编号", "the district's id", "demo"),
    "SentCode.code": ("验证码，仅沙盒显示", "the code, shown in a sandbox alone", "123456"),
    "SignIn.code": ("短信验证码", "the code that came by text message", "123456"),
    "source": ("来源：web、wechat 或 alipay", "web, wechat or alipay", "web"),
    "consent_version": (
        "已同意的会员条款版本",
        "the text of membership that was agreed to",
        "2026-11",
    ),
    "access_token": ("访问令牌，15 分钟", "access token, for 15 minutes", "eyJ…"),
    "expires_in_seconds": ("有效秒数", "for how many seconds", 900),
    "refresh_token": ("续期令牌，一次有效", "refresh token, good once", "rt_demo_…"),
    "refresh_until": (
        "续期令牌有效至",
        "until when it may be used",
        "2026-12-27T02:03:04.000+00:00",
    ),
    "is_new_member": ("是否刚入会", "whether the member is new", False),
    "signed_out": ("已退出", "it is done", True),
    "alias": ("种子代号，10 位数字", "what names the seed in a code: ten digits", "0123456789"),
    "seed": (
        "种子，base64",
        "the seed, 32 bytes in base64",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    ),
    "server_time": ("服务器时间", "the server's time", _AT),
    "member_id": ("会员编号", "the member's id", "mem_01KB2N7QX4T5W6Y8Z9ABCDEFGH"),
    "joined_at": ("入会时间", "when the member joined", _AT),
    "changed": ("已更改", "whether anything changed", True),
    "spendable_points": ("可用积分", "points that may be spent", 127),
    "held_points": ("冻结积分", "points that are held", 0),
    "Balance.debt_points": ("欠的积分", "points owed", 0),
    "buckets": ("全部到期日", "every day on which points expire"),
    "expires_on": (
        "到期日（当日仍可用）；null 永不到期",
        "the last day; null never expires",
        "2027-11-30",
    ),
    "movements": ("积分变动", "the movements"),
    "next_cursor": ("下一页；null 为最后一页", "the next page; null on the last", "eyJ…"),
    "cursor": ("上一页给的 next_cursor", "the next_cursor of the page before"),
    "limit": ("每页条数", "how many on a page", 50),
    "from": ("起始日（含）", "the first day", "2026-11-01"),
    "to": ("截止日（不含）", "the day after the last", "2026-12-01"),
    "kind": ("变动种类", "the kind of movement", "earn"),
    "reason_zh": ("原因（中文）", "the reason, in Chinese", "消费积分"),
    "reason_en": ("原因（英文）", "the reason, in English", "Points for a purchase"),
    "issuer": ("发行商户", "whose points they are", "龙井茶馆"),
    "rules": ("规则与版本", "rules with version", ["yuan v1"]),
    "owed": ("是否为欠分", "whether it concerns points owed", False),
    "at": ("在哪里", "where it happened"),
    "store": ("门店", "the store", "湖滨店"),
    "merchant_zh": ("商户（中文）", "the merchant, in Chinese", "龙井茶馆"),
    "merchant_en": ("商户（英文）", "the merchant, in English", "Longjing Tea House"),
    "trade": ("行业", "its trade", "cafe"),
    "knows_me": ("商户是否知道我是谁", "whether the merchant knows more than a pseudonym", False),
    "memberships": ("加入的商户", "the merchants"),
    "burns": ("待确认的抵扣", "burns that wait"),
    "burn_id": ("抵扣编号", "the burn's id", "brn_01KB2N7QX4T5W6Y8Z9ABCDEFGH"),
    "worth_fen": ("抵扣金额，单位分", "what they pay for, in fen", 12000),
    "consents": ("同意情况", "where the member stands"),
    "texts": ("当前文本", "the texts of today"),
    "purpose": ("用途", "the purpose", "marketing"),
    "channel": ("渠道", "the channel", "sms"),
    "OwnIdentity.channel": ("渠道", "the channel", "wechat"),
    "Decide.merchant_id": ("仅向此商户提供", "the one merchant that it is about"),
    "Stance.merchant_id": ("商户", "the one merchant that it is about", _MERCHANT),
    "OwnConsent.merchant_id": ("商户", "the one merchant that it is about", _MERCHANT),
    "decision": ("given、declined 或 withdrawn", "given, declined or withdrawn", "given"),
    "decided_at": ("决定时间", "when it was decided", _AT),
    "may_be_asked_from": ("此前不得再次询问", "before this it may not be asked again", _AT),
    "sha256": ("文本的 SHA-256", "SHA-256 of the text", "9f86d081884c7d65…"),
    "text_sha256": ("文本的 SHA-256", "SHA-256 of the text", "9f86d081884c7d65…"),
    "closing": ("注销；null 为未申请", "the closing; null while there is none"),
    "closing_id": ("注销编号", "the closing's id", "cls_01KB2N7QX4T5W6Y8Z9ABCDEFGH"),
    "asked_at": ("申请时间", "when it was asked for", _AT),
    "due_at": ("到此时抹除", "when the person is erased", "2026-12-04T02:03:04.000+00:00"),
    "CloseAccount.points": ("burn、donate 或 forfeit", "burn, donate or forfeit", "burn"),
    "Leaving.points": ("burn、donate 或 forfeit", "burn, donate or forfeit", "burn"),
    "export_id": ("导出编号", "the export's id", "exp_01KB2N7QX4T5W6Y8Z9ABCDEFGH"),
    "made_at": ("生成时间", "when it was read", _AT),
    "profile": ("资料", "the profile"),
    "identities": ("渠道身份", "identities of channels"),
    "app_id": ("应用编号", "the app's id", "wx0000000000000000"),
    "identity": ("渠道内的身份", "who it is there", "oABC"),
    "devices": ("设备", "the devices"),
    "opened_at": ("登录时间", "when it was signed in", _AT),
    "ended_at": ("退出时间", "when it was signed out", _AT),
    "balance": ("积分余额", "the balance"),
    "Idempotency-Key": (
        "首次发送前生成并保存，重试时不变",
        "made and kept before the first send, the same at each repeat",
        "T1-0001-5f0c2b9e",
    ),
    # The signature debugger and the sandbox.
    "method": ("请求方法", "the method", "POST"),
    "path": ("路径与查询，如实发送的样子", "path with query, as they were sent", "/v1/pos/orders"),
    "headers": (
        "请求头，一行一个",
        "the headers, one a line",
        "Authorization: POS1-HMAC-SHA256 key_id=…",
    ),
    "body": ("请求体", "the body", ""),
    "body_base64": ("请求体的 base64，代替 body", "the body's bytes in base64, in place of body"),
    "string_to_sign": ("你的待签字符串", "the string that your program signed"),
    "mode": ("earn 只积分，spend 可抵扣", "earn alone, or spend too", "spend"),
}
