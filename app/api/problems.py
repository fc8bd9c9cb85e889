"""Error class to RFC 9457 problem: the only such table (reliability §15).

A refusal carries its own Chinese and English text; here it gets its code, status and whether the
same request may succeed later. A test fails when a leaf of the error roots is missing.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response
from sqlalchemy.exc import OperationalError
from werkzeug.datastructures import Headers

import app.api.errors as door
import app.checkout.errors as checkout
import app.members.errors as members
import app.merchants.errors as merchants
import app.points.errors as points
import coupons.errors as coupons
import ledger.errors as ledger
from app import approvals, errors
from app.api.context import request_id
from app.api.measures import REFUSALS
from app.errors import AppError
from config.errors import (
    BadSettings,
    Collision,
    ConfigError,
    DiskFull,
    DistrictStopped,
    NotASandbox,
    OutcomeUnknown,
    Overloaded,
    ServerRefused,
    UnknownDistrict,
)
from config.keys import BadSeal
from coupons.errors import CouponError
from ledger import proofs
from ledger.errors import LedgerError
from migrations.run import DistrictExists

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A kind of refusal as HTTP speaks of it; `detail` hides texts that are not for callers."""

    code: str
    status: int
    title: str
    retry_after_seconds: int | None = None
    tells: bool = True


NOT_FOUND = Problem(code="not-found", status=404, title="找不到 / Not found")
BAD_REQUEST = Problem(code="bad-request", status=400, title="请求有误 / Bad request")
INVALID = Problem(code="validation-failed", status=400, title="内容有误 / Validation failed")
CONFLICT = Problem(code="state-conflict", status=409, title="当前状态不允许 / Not as things stand")
INSUFFICIENT = Problem(code="insufficient-points", status=409, title="积分不足 / Not enough points")
EXPIRED = Problem(code="expired", status=410, title="已过期 / Expired")
EXCEEDS = Problem(
    code="refund-exceeds-remaining", status=422, title="超出可退范围 / More than remains"
)
RULE_NOT_MET = Problem(code="rule-not-met", status=422, title="不符合规则 / Rule not met")
OTHER_CONTENT = Problem(
    code="business-key-conflict",
    status=409,
    title="同一业务编号已有不同内容 / This key has other content already",
    tells=False,
)
NOT_CONFIRMED = Problem(
    code="burn-not-confirmed",
    status=409,
    title="须会员在手机上确认 / To be confirmed on the member's phone",
)
NOT_SEALED = Problem(
    code="not-sealed-yet", status=409, title="尚未封账，次日再取 / Not sealed yet: ask tomorrow"
)
BUDGET_EXHAUSTED = Problem(
    code="budget-exhausted", status=409, title="预算已用完 / Budget exhausted"
)
SOLD_OUT = Problem(code="sold-out", status=409, title="已领完 / Sold out")
ALREADY_CLAIMED = Problem(
    code="already-claimed", status=409, title="已达领取上限 / No more for this member"
)
LOCK_EXPIRED = Problem(code="lock-expired", status=409, title="冻结已失效 / Hold has ended")
UNPROVEN = Problem(code="bad-signature", status=401, title="签名无效 / Bad signature")
UNAUTHENTICATED = Problem(code="unauthenticated", status=401, title="请先登录 / Unauthenticated")
RATE_LIMITED = Problem(
    code="rate-limited", status=429, title="请求过多 / Rate limited", retry_after_seconds=1
)
UNSUPPORTED = Problem(
    code="unsupported-media-type", status=415, title="不支持的类型 / Unsupported media type"
)
FORBIDDEN = Problem(code="forbidden", status=403, title="没有权限 / Forbidden")
INTERNAL = Problem(code="internal", status=500, title="内部错误 / Internal error", tells=False)
OVERLOADED = Problem(
    code="overloaded", status=503, title="系统繁忙 / Overloaded", retry_after_seconds=1, tells=False
)
UNKNOWN = Problem(
    code="outcome-unknown",
    status=503,
    title="结果未知，请用同一幂等键重试 / Outcome unknown: repeat with the same key",
    retry_after_seconds=2,
    tells=False,
)
MAINTENANCE = Problem(
    code="maintenance",
    status=503,
    title="商圈已停止写入 / The district accepts no writes",
    retry_after_seconds=60,
    tells=False,
)

PROBLEMS: Mapping[type[Exception], Problem] = {
    UnknownDistrict: NOT_FOUND,
    NotASandbox: CONFLICT,
    DistrictStopped: MAINTENANCE,
    DiskFull: replace(MAINTENANCE, retry_after_seconds=30, tells=True),
    OutcomeUnknown: UNKNOWN,
    Overloaded: OVERLOADED,
    Collision: OVERLOADED,
    ServerRefused: INTERNAL,
    BadSettings: INTERNAL,
    BadSeal: INTERNAL,
    DistrictExists: CONFLICT,
    errors.NotFound: NOT_FOUND,
    errors.StateConflict: CONFLICT,
    errors.Invalid: INVALID,
    errors.TooOften: RATE_LIMITED,
    door.BadSignature: UNPROVEN,
    door.Unauthenticated: UNAUTHENTICATED,
    door.WrongCode: UNAUTHENTICATED,
    door.WrongSignIn: UNAUTHENTICATED,
    door.ConsentRequired: Problem(
        code="consent-required", status=403, title="需要同意 / Consent required"
    ),
    door.ClockSkew: Problem(code="clock-skew", status=401, title="时钟偏差 / Clock skew"),
    door.RateLimited: RATE_LIMITED,
    door.Malformed: BAD_REQUEST,
    door.WrongMediaType: UNSUPPORTED,
    door.UnknownField: Problem(code="unknown-field", status=400, title="未知字段 / Unknown field"),
    door.ValidationFailed: INVALID,
    door.IdempotencyKeyMissing: Problem(
        code="idempotency-key-missing", status=400, title="缺少幂等键 / Idempotency key missing"
    ),
    door.IdempotencyKeyInvalid: Problem(
        code="idempotency-key-invalid", status=400, title="幂等键格式有误 / Idempotency key invalid"
    ),
    door.IdempotencyKeyReused: Problem(
        code="idempotency-key-reused",
        status=422,
        title="幂等键已用于另一请求 / Idempotency key used for another request",
    ),
    door.InFlight: Problem(
        code="idempotency-in-flight",
        status=409,
        title="同一请求正在处理 / The same request is at work",
        retry_after_seconds=1,
    ),
    ledger.InsufficientBalance: replace(INSUFFICIENT, tells=False),
    ledger.KeyReused: OTHER_CONTENT,
    ledger.UnitMismatch: INTERNAL,
    ledger.HoldEnded: LOCK_EXPIRED,
    ledger.NoSuchJournal: NOT_FOUND,
    proofs.NotSealedYet: NOT_SEALED,
    proofs.NothingSealed: NOT_FOUND,
    proofs.SealBroken: INTERNAL,
    ledger.ReversalExceedsRemaining: replace(EXCEEDS, tells=False),
    approvals.SamePerson: Problem(
        code="approval-required", status=403, title="需要另一人审批 / Somebody else must approve"
    ),
    merchants.CodeTaken: CONFLICT,
    merchants.NoTermsInForce: CONFLICT,
    merchants.TermsTooLate: CONFLICT,
    merchants.NotPermitted: FORBIDDEN,
    merchants.LastAdmin: CONFLICT,
    merchants.FirstStaffIsAdmin: CONFLICT,
    members.IdentificationOver: EXPIRED,
    members.EarnOnly: RULE_NOT_MET,
    members.TooYoung: RULE_NOT_MET,
    members.BadMemberCode: NOT_FOUND,
    members.MemberCodeUsed: Problem(
        code="member-code-used", status=409, title="会员码已使用 / Member code was used"
    ),
    members.BurnNotConfirmed: NOT_CONFIRMED,
    members.TwoMembers: replace(CONFLICT, tells=False),  # It names other people.
    members.DetailDiffers: CONFLICT,
    members.ChallengeNeeded: replace(CONFLICT, tells=False),
    points.InsufficientPoints: INSUFFICIENT,
    points.GiftLimitReached: CONFLICT,
    points.NoBurnTerms: CONFLICT,
    points.NoProgrammeInForce: CONFLICT,
    points.DefinitionChanged: CONFLICT,
    coupons.BadTemplate: INVALID,
    coupons.FundersExhausted: BUDGET_EXHAUSTED,
    coupons.NoSuchCoupon: replace(NOT_FOUND, tells=False),
    coupons.BadCode: INVALID,
    coupons.OtherContent: OTHER_CONTENT,
    coupons.Retired: CONFLICT,
    coupons.NotYet: CONFLICT,
    coupons.Over: EXPIRED,
    coupons.SoldOut: SOLD_OUT,
    coupons.ClaimLimit: ALREADY_CLAIMED,
    coupons.BudgetExhausted: BUDGET_EXHAUSTED,
    coupons.Locked: CONFLICT,
    coupons.AlreadyUsed: Problem(
        code="already-redeemed", status=409, title="已使用 / Already redeemed"
    ),
    coupons.Voided: CONFLICT,
    coupons.NotTheHolder: RULE_NOT_MET,
    coupons.NotTransferable: CONFLICT,
    coupons.TooLittleLeft: CONFLICT,
    coupons.LockExpired: LOCK_EXPIRED,
    coupons.RollBackExceeds: EXCEEDS,
    coupons.TooManyCodes: CONFLICT,
    coupons.BadToken: INVALID,
    coupons.NotOffline: RULE_NOT_MET,
    coupons.MadeOut: CONFLICT,
    coupons.OfflineLimit: CONFLICT,
    coupons.NotKinder: RULE_NOT_MET,
    checkout.RefundExceedsRemaining: EXCEEDS,
    checkout.NotRefundable: RULE_NOT_MET,
    checkout.CouponNotUsable: RULE_NOT_MET,
    checkout.BusinessKeyConflict: replace(OTHER_CONTENT, tells=True),
    checkout.PaymentMismatch: CONFLICT,
    checkout.LockExpired: LOCK_EXPIRED,
    checkout.BurnExpired: LOCK_EXPIRED,
    checkout.NothingToBurn: RULE_NOT_MET,
    checkout.TapNeeded: NOT_CONFIRMED,
    checkout.QuoteExpired: EXPIRED,
    checkout.OfflineTooLate: EXPIRED,
    checkout.NothingToClaim: CONFLICT,
    checkout.RewardNotOffered: CONFLICT,
    checkout.PriceChanged: CONFLICT,
    checkout.RewardSoldOut: SOLD_OUT,
    checkout.RewardLimit: ALREADY_CLAIMED,
}
ROOTS = (ConfigError, AppError, LedgerError, CouponError)

_BY_STATUS = {
    400: BAD_REQUEST,
    401: UNAUTHENTICATED,
    403: FORBIDDEN,
    404: NOT_FOUND,
    405: Problem(code="method-not-allowed", status=405, title="方法不允许 / Method not allowed"),
    413: Problem(code="too-large", status=413, title="内容过大 / Too large"),
    415: UNSUPPORTED,
    429: RATE_LIMITED,
    500: INTERNAL,
    503: OVERLOADED,
}


def kinds() -> list[Problem]:
    """Return every kind of problem once, one a code."""
    known = {each.code: each for each in (*_BY_STATUS.values(), *PROBLEMS.values())}
    return list(known.values())


def answer_with_problems(app: APIFlask) -> None:
    """Make every error of the application a problem, whoever raised it."""
    for root in ROOTS:
        app.register_error_handler(root, refuse)
    app.register_error_handler(OperationalError, _database_gone)
    app.error_processor(_http_error)


def problem_of(error: Exception) -> Problem:
    """Return the problem of a refusal: its class's, or that of the nearest class above."""
    for kind in type(error).__mro__:
        if kind in PROBLEMS:
            return PROBLEMS[kind]
    return INTERNAL


def refuse(error: Exception) -> Response:
    """Answer a refusal."""
    problem = problem_of(error)
    root = next(kind.__name__ for kind in ROOTS if isinstance(error, kind))
    REFUSALS.labels(root, problem.code).inc()
    if problem.status == INTERNAL.status:
        log.error("internal_refusal", exc_info=error)
    return answer(
        problem,
        detail=str(error) if problem.tells else "",
        errors=_faults(error),
        headers=_headers(error),
        burn_id=error.name if isinstance(error, members.BurnNotConfirmed) else "",
        reasons=_reasons(error),
    )


def answer(
    problem: Problem,
    *,
    detail: str = "",
    errors: object = None,
    headers: Mapping[str, str] | None = None,
    burn_id: str = "",
    reasons: Sequence[Mapping[str, str]] = (),
) -> Response:
    """Return a problem as `application/problem+json`.

    `burn_id` is what the member must confirm, `reasons` say why coupons cannot be used.
    """
    body: dict[str, object] = {
        "type": f"/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "instance": request_id(),
        "retryable": problem.retry_after_seconds is not None,
    }
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = errors
    if burn_id:
        body["burn_id"] = burn_id
    if reasons:
        body["reasons"] = reasons
    response = Response(
        json.dumps(body, ensure_ascii=False),
        status=problem.status,
        content_type="application/problem+json",
        headers=dict(headers or {}),
    )
    if problem.retry_after_seconds is not None:
        response.headers.setdefault("Retry-After", str(problem.retry_after_seconds))
    return response


def _headers(error: Exception) -> Mapping[str, str] | None:
    if isinstance(error, errors.TooOften):
        return {"Retry-After": str(error.seconds)}
    return error.headers if isinstance(error, door.DoorError) else None


def _reasons(error: Exception) -> list[dict[str, str]]:
    """Return why each coupon that an order names cannot be used."""
    if not isinstance(error, checkout.CouponNotUsable):
        return []
    return [{"coupon_id": coupon, "zh": zh, "en": en} for coupon, zh, en in error.reasons]


def _faults(error: Exception) -> list[dict[str, str]]:
    """Return where a refused request is wrong, as pointers into its body."""
    if isinstance(error, errors.Invalid):
        return [{"pointer": f"/{error.field}", "code": "invalid"}]
    if isinstance(error, coupons.BadTemplate):
        return [{"pointer": _pointer(error.path), "code": "invalid"}]
    return [vars(fault) for fault in error.faults] if isinstance(error, door.DoorError) else []


def _pointer(path: str) -> str:
    """Return the path of a document's field, such as `trial.lines[0].sku`, as a pointer."""
    steps = path.replace("[", ".").replace("]", "").split(".")
    # A trial is the whole body; a template stands in a field of that name.
    return "".join([f"/{step}" for step in (steps[1:] if steps[0] == "trial" else steps)])


def _database_gone(error: OperationalError) -> Response:
    log.error("database_gone", exc_info=error)
    return answer(OVERLOADED)


def _http_error(error: HTTPError) -> Response:
    """Answer what Flask, its router or a schema raised; APIFlask makes them all alike."""
    given = Headers(error.headers)
    kept = {name: given[name] for name in ("Allow", "Retry-After") if name in given}
    return answer(_problem_for(error.status_code), errors=error.detail or None, headers=kept)


def _problem_for(status: int) -> Problem:
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    if status >= INTERNAL.status:
        return INTERNAL
    return Problem(code="bad-request", status=status, title=BAD_REQUEST.title)
