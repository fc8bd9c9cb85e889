"""Earning rules of the district: proposed by one person, approved by another, followed or retired.

A change is a new version; an approved one says the same for ever, and what earned points under it
can always be worked out again (E10, G1).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import approvals, audit
from app.approvals import ChangeRequest
from app.errors import Invalid, NotFound, StateConflict
from app.merchants.directory import get_directory
from app.points.definitions import Cap, Conditions, Definition, Kind, Pending, Rounding, Scope
from app.points.errors import DefinitionChanged
from app.points.models import Rule, RuleVersion, VersionState
from app.points.rulebook import EarnRule, RuleBook
from config.database import district_of, forget, new_id, now_of, remember

KIND = "points.rule"
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Names:
    """What people call a rule."""

    zh: str
    en: str


@dataclass(frozen=True, kw_only=True)
class ListedVersion:
    """A version of a rule as staff see it, drafts and retired ones too."""

    rule: EarnRule
    state: VersionState
    proposed_by: str
    approved_by: str | None
    request: str


def get_rule_book(session: Session) -> RuleBook:
    """Return every rule ever approved, as of this transaction's revision; no SQL once warm."""
    return remember(session, "points.rulebook", _load)


def propose(
    session: Session,
    *,
    code: str,
    definition: Definition,
    by: str,
    reason: str,
    names: Names | None = None,
    effective_from: datetime | None = None,
    effective_to: datetime | None = None,
) -> ChangeRequest:
    """Ask for a rule, or for a new version of one; it waits for a second person (G1).

    `names` are needed for a new rule and ignored for a known one. Without `effective_from` it
    begins when it is approved. Locks the rule, so that versions are numbered without a gap.

    Raises:
        NotFound: the conditions name a merchant (public id) or trade that there is not.
        Invalid: a new rule without names, or an end before the beginning.
    """
    _check_references(session, definition.conditions)
    begins = effective_from or now_of(session)
    if effective_to is not None and effective_to <= begins:
        raise Invalid("effective_to", "须晚于生效时间", "has to be after effective_from")
    rule = _find_locked(session, code)
    if rule is None:
        rule = _add(session, code=code, names=names)
    payload = {
        "effective_from": None if effective_from is None else effective_from.isoformat(),
        "effective_to": None if effective_to is None else effective_to.isoformat(),
        "hash": definition.digest(),
        **definition.to_json(),
    }
    before = _last_approved(session, rule)
    request = approvals.propose(
        session,
        kind=KIND,
        subject=rule.public_id,
        before=None if before is None else _written(before),
        payload=payload,
        by=by,
        reason=reason,
    )
    draft = RuleVersion(
        rule_id=rule.id,
        version=_count(session, rule.id) + 1,
        effective_from=begins,
        effective_to=effective_to,
        change_request_id=request.id,
        **_columns(definition),
    )
    _add_draft(session, draft, request)
    return request


def approve(session: Session, request: str, *, by: str) -> EarnRule:
    """Put a proposed version in force as the second person, never before this instant.

    Only a rule's first version, or one in a sandbox, may begin in the past: such a district is
    being filled from records. What is approved is what was proposed, by its hash.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        DefinitionChanged: the draft says something else than its proposal.
    """
    approved = approvals.approve(session, request, kind=KIND, by=by)
    rule, version = _get_proposed(session, approved)
    if not _definition(version).digest() == version.definition_hash == approved.payload["hash"]:
        raise DefinitionChanged(rule.code, version.version)
    now = now_of(session)
    if approved.payload["effective_from"] is None:
        version.effective_from = now
    elif not district_of(session).sandbox and _count(session, rule.id, approved=True):
        version.effective_from = max(version.effective_from, now)
    if version.effective_to is not None and version.effective_to <= version.effective_from:
        raise StateConflict(
            "rule",
            rule.code,
            "ended",
            "已过结束时间，请重新提出",
            "its end has passed; propose again",
        )
    version.state = VersionState.APPROVED
    version.approved_by = by
    audit.record(
        session,
        actor=by,
        action="rule.approve",
        object=rule.public_id,
        before=approved.before,
        after={
            **approved.payload,
            "version": version.version,
            "effective_from": version.effective_from.isoformat(),
        },
        reason=approved.reason,
    )
    session.flush()
    forget(session)
    return _earn_rule(rule, version)


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a proposed version down, or withdraw one's own; the draft ends retired.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    rule, version = _get_proposed(session, rejected)
    version.state = VersionState.RETIRED
    audit.record(
        session,
        actor=by,
        action="rule.reject",
        object=rule.public_id,
        after={"version": version.version},
        reason=reason,
    )
    session.flush()
    forget(session)


def retire(session: Session, code: str, *, by: str, reason: str) -> None:
    """End a rule now: sales from this instant on earn nothing under it, late ones from before do.

    Versions still to come never begin, drafts are closed by their own rejection.

    Raises:
        NotFound: no such rule.
        StateConflict: no version of it is or will be in force.
    """
    rule = _find_locked(session, code)
    if rule is None:
        raise NotFound("rule", code)
    now = now_of(session)
    versions = [
        version
        for version in session.scalars(
            select(RuleVersion)
            .where(RuleVersion.rule_id == rule.id, RuleVersion.state == VersionState.APPROVED)
            .order_by(RuleVersion.effective_from, RuleVersion.version)
        )
        if version.effective_to is None or version.effective_to > now
    ]
    if not versions:
        raise StateConflict("rule", code, "retired", "没有生效的版本", "no version is in force")
    for version in versions:
        version.effective_to = max(now, version.effective_from)
        version.state = VersionState.RETIRED
    audit.record(
        session,
        actor=by,
        action="rule.retire",
        object=rule.public_id,
        after={"versions": [version.version for version in versions]},
        reason=reason,
    )
    session.flush()
    forget(session)


def list_versions(session: Session, *, code: str | None = None) -> list[ListedVersion]:
    """Return all versions of all rules, or of one, by code and version."""
    query = (
        select(Rule, RuleVersion, ChangeRequest.public_id)
        .join(RuleVersion, RuleVersion.rule_id == Rule.id)
        .join(ChangeRequest, ChangeRequest.id == RuleVersion.change_request_id)
        .order_by(Rule.code, RuleVersion.version)
    )
    if code is not None:
        query = query.where(Rule.code == code)
    return [
        ListedVersion(
            rule=_earn_rule(rule, version),
            state=VersionState(version.state),
            proposed_by=version.proposed_by,
            approved_by=version.approved_by,
            request=request,
        )
        for rule, version, request in session.execute(query)
    ]


def _load(session: Session) -> RuleBook:
    rows = session.execute(
        select(Rule, RuleVersion)
        .join(RuleVersion, RuleVersion.rule_id == Rule.id)
        .where(RuleVersion.approved_by.is_not(None))
    )
    return RuleBook.of(_earn_rule(rule, version) for rule, version in rows)


def _check_references(session: Session, conditions: Conditions) -> None:
    directory = get_directory(session)
    for merchant in sorted(conditions.merchants - directory.merchants_by_public_id.keys()):
        raise NotFound("merchant", merchant)
    for trade in sorted(conditions.trades - directory.trades.keys()):
        raise NotFound("trade", trade)


def _find_locked(session: Session, code: str) -> Rule | None:
    return session.scalar(select(Rule).where(Rule.code == code).with_for_update())


def _add(session: Session, *, code: str, names: Names | None) -> Rule:
    if not _CODE.fullmatch(code):
        raise Invalid("code", f"不是编号：{code!r}", f"not a code: {code!r}")
    if names is None or not (names.zh.strip() and names.en.strip()):
        raise Invalid(
            "names", "新规则须有中英文名称", "a new rule has a Chinese and an English name"
        )
    row = {"public_id": new_id("rul"), "code": code, "name_zh": names.zh, "name_en": names.en}
    # Of two people who name the same new rule at once, both propose versions of one rule.
    session.execute(insert(Rule).values(created_at=now_of(session), **row).on_conflict_do_nothing())
    return session.scalars(select(Rule).where(Rule.code == code).with_for_update()).one()


def _add_draft(session: Session, draft: RuleVersion, request: ChangeRequest) -> None:
    draft.definition_hash = request.payload["hash"]
    draft.state = VersionState.DRAFT
    draft.proposed_by = request.proposed_by
    draft.created_at = request.proposed_at
    session.add(draft)
    audit.record(
        session,
        actor=request.proposed_by,
        action="rule.propose",
        object=request.subject,
        before=request.before,
        after=request.payload,
        reason=request.reason,
    )
    session.flush()
    forget(session)


def _last_approved(session: Session, rule: Rule) -> RuleVersion | None:
    return session.scalar(
        select(RuleVersion)
        .where(RuleVersion.rule_id == rule.id, RuleVersion.approved_by.is_not(None))
        .order_by(RuleVersion.version.desc())
        .limit(1)
    )


def _count(session: Session, rule_id: int, *, approved: bool = False) -> int:
    query = select(func.count()).select_from(RuleVersion).where(RuleVersion.rule_id == rule_id)
    if approved:
        query = query.where(RuleVersion.approved_by.is_not(None))
    return session.scalars(query).one()


def _get_proposed(session: Session, request: ChangeRequest) -> tuple[Rule, RuleVersion]:
    """Lock the rule before its version, as `propose` and `retire` do."""
    rule = session.scalars(
        select(Rule).where(Rule.public_id == request.subject).with_for_update()
    ).one()
    version = session.scalars(
        select(RuleVersion).where(RuleVersion.change_request_id == request.id).with_for_update()
    ).one()
    return rule, version


def _written(version: RuleVersion) -> dict[str, Any]:
    return {"hash": version.definition_hash, **_definition(version).to_json()}


def _columns(definition: Definition) -> Mapping[str, Any]:
    counted = definition.counted_tenders
    return {
        "kind": definition.kind.value,
        "rate_num": definition.rate.numerator,
        "rate_den": definition.rate.denominator,
        "rounding": definition.rounding.value,
        "scope": definition.scope.value,
        "conditions": definition.conditions.to_json(),
        "excluded_categories": sorted(definition.excluded_categories),
        "counted_tenders": None if counted is None else sorted(counted),
        "pending": None if definition.pending is None else definition.pending.to_json(),
        "caps": [str(cap) for cap in sorted(definition.caps)],
        "campaign": definition.campaign,
    }


def _definition(row: RuleVersion) -> Definition:
    counted = row.counted_tenders
    return Definition(
        kind=Kind(row.kind),
        rate=Fraction(row.rate_num, row.rate_den),
        rounding=Rounding(row.rounding),
        scope=Scope(row.scope),
        conditions=Conditions.from_json(row.conditions),
        excluded_categories=frozenset(row.excluded_categories),
        counted_tenders=None if counted is None else frozenset(counted),
        pending=None if row.pending is None else Pending.from_json(row.pending),
        caps=tuple([Cap.parse(cap) for cap in row.caps]),
        campaign=row.campaign,
    )


def _earn_rule(rule: Rule, row: RuleVersion) -> EarnRule:
    return EarnRule(
        version_id=row.id,
        public_id=rule.public_id,
        code=rule.code,
        version=row.version,
        name_zh=rule.name_zh,
        name_en=rule.name_en,
        effective_from=row.effective_from.astimezone(UTC),
        effective_to=None if row.effective_to is None else row.effective_to.astimezone(UTC),
        definition=_definition(row),
    )
