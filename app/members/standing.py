"""Where a member stands: up at once, down after a cycle, one step at most (M5, semantics 31).

A cycle begins with the tier and ends with its last day. Then growth is judged: enough, and another
cycle follows; too little, and the member keeps the tier for some days of grace and may make up for
it. A refund never takes a tier: it lowers the growth that is judged.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, LiteralString

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import outbox
from app.clock import business_date
from app.members import growth
from app.members.growth import Gain
from app.members.identification import KnownMember
from app.members.models import Member, TierChange, TierStep
from app.members.tiers import TIERS, Period, Scheme, Tier
from app.outbox import News
from config.database import fetch, now_of


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A member's tier, the growth that counts today, and what is missing to the next tier.

    `until` is the last day of the cycle, `kept_until` that of the grace after it; the lowest tier
    has neither. `next_tier` of the highest one is None.
    """

    tier: Tier
    growth: int
    next_tier: Tier | None
    missing: int
    until: date | None
    kept_until: date | None


def standing(session: Session, member: KnownMember) -> Standing:
    """Return where a member stands now; growth that refunds have turned below zero shows as 0."""
    scheme, today = TIERS.at(session, now_of(session)), business_date(now_of(session))
    row = session.execute(
        select(Member.tier, Member.tier_until).where(Member.id == member.id)
    ).one()
    gathered = growth.total(session, member, start=scheme.counts_from(today), end=today)
    following = scheme.find_next(row.tier)
    until: date | None = row.tier_until
    return Standing(
        tier=scheme.tiers[scheme.place(row.tier)],
        growth=max(gathered, 0),
        next_tier=following,
        missing=max(following.threshold - gathered, 0) if following else 0,
        until=until,
        kept_until=None if until is None else until + timedelta(days=scheme.grace_days),
    )


def history(session: Session, member: KnownMember) -> Sequence[TierChange]:
    """Return every step of a member's tier, newest first."""
    return session.scalars(
        select(TierChange)
        .where(TierChange.member_id == member.id)
        .order_by(TierChange.at.desc(), TierChange.id.desc())
    ).all()


def tier_at(session: Session, member: KnownMember, at: datetime) -> str:
    """Return the code of the tier that a member had at an instant (L12)."""
    later = member.tier
    for change in history(session, member):
        if change.at <= at:
            return change.tier
        later = change.tier_before
    return later


def rise(
    session: Session,
    gains: Iterable[Gain],
    *,
    gathered: Mapping[int, int],
    since: date | None,
) -> list[News]:
    """Lift the members whom growth that was just written brings to a higher tier; return the news.

    `gathered` is what each had from `since` on before that statement, as `growth.watched_from`
    asked. A lift is one round trip, and nobody else costs any. The caller holds the wallet's lock;
    the member's row is locked after it. Who stands there already stays.
    """
    if since is None:
        return []
    scheme = TIERS.at(session, now_of(session))
    reached: dict[int, tuple[KnownMember, int]] = {}
    for gain in gains:
        if business_date(gain.at) >= since:
            _, before = reached.get(gain.member.id, (gain.member, gathered.get(gain.member.id, 0)))
            reached[gain.member.id] = gain.member, before + gain.amount
    news = []
    for member, total in reached.values():
        tier = scheme.find_reached(total, above=member.tier)
        if tier is not None:
            news += _lift(session, scheme, member, tier, total)
    return news


def _lift(
    session: Session, scheme: Scheme, member: KnownMember, tier: Tier, total: int
) -> list[News]:
    today = business_date(now_of(session))
    rows = fetch(
        session,
        _LIFT,
        {
            "member": member.id,
            "tier": tier.code,
            "lower": [each.code for each in scheme.tiers[: scheme.place(tier.code)]],
            "known": [each.code for each in scheme.tiers],
            "step": TierStep.UPGRADED.value,
            "growth": total,
            "cycle_from": today,
            "cycle_to": scheme.cycle_end(today),
            "now": now_of(session),
        },
    )
    return [
        _news(TierStep.UPGRADED, member=member.public_id, before=row.tier_before, tier=tier.code)
        for row in rows
    ]


def judge_some(session: Session, *, most: int) -> int:
    """Judge some members whose cycle has ended and write what becomes of them; return how many.

    0: nobody is left. Runs after the day's expiry, and late or twice it ends the same: what is
    counted is the growth of the cycle's own days and of the grace days that are over, never today's
    (semantics 27, 31, 32). A cycle that ended long ago comes again until one reaches to today.
    Locks the members' rows; those that are locked elsewhere wait for the next run.
    """
    now = now_of(session)
    scheme = TIERS.at(session, now)
    rows = _due(session, scheme, business_date(now), most)
    if not rows:
        return 0
    steps = [_step(scheme, row) for row in rows]
    session.execute(_MOVE, _columns(steps, now))
    outbox.add_many(
        session,
        [
            _news(each.step, member=row.public_id, before=row.tier, tier=each.tier)
            for each, row in zip(steps, rows, strict=True)
        ],
    )
    return len(rows)


@dataclass(frozen=True, kw_only=True)
class _Step:
    member_id: int
    step: TierStep
    before: str
    tier: str
    growth: int
    begins: date
    ends: date | None


def _due(session: Session, scheme: Scheme, today: date, most: int) -> Sequence[Any]:
    return session.execute(
        _DUE,
        {
            "codes": [tier.code for tier in scheme.tiers],
            "thresholds": [tier.threshold for tier in scheme.tiers],
            "rolling": scheme.period is Period.ROLLING,
            "grace": scheme.grace_days,
            "today": today,
            "limit": most,
        },
    ).all()


def _step(scheme: Scheme, row: Any) -> _Step:
    """Return what becomes of a member whose growth decides it now: one step down at most."""
    tier = scheme.tiers[scheme.place(row.tier)] if row.enough else scheme.below(row.tier)
    begins = row.tier_until + timedelta(days=1)
    return _Step(
        member_id=row.id,
        step=TierStep.PROLONGED if row.enough else TierStep.DOWNGRADED,
        before=row.tier,
        tier=tier.code,
        growth=row.growth,
        begins=begins,
        ends=scheme.cycle_end(begins) if scheme.place(tier.code) else None,
    )


def _columns(steps: Sequence[_Step], now: datetime) -> dict[str, object]:
    return {
        "members": [each.member_id for each in steps],
        "steps": [each.step.value for each in steps],
        "before": [each.before for each in steps],
        "tiers": [each.tier for each in steps],
        "growth": [each.growth for each in steps],
        "begins": [each.begins for each in steps],
        "ends": [each.ends for each in steps],
        "now": now,
    }


def _news(step: TierStep, *, member: str, before: str, tier: str) -> News:
    return News(
        topic=f"tier.{step}",
        aggregate=member,
        payload={"member": member, "tier_before": before, "tier": tier},
    )


#: The lower tiers are asked for again under the row's lock: of two lifts the higher one stands.
_LIFT: LiteralString = """
    WITH found AS MATERIALIZED (
        SELECT id, tier FROM member WHERE id = %(member)s
            AND (tier = ANY (%(lower)s) OR tier <> ALL (%(known)s))
        FOR NO KEY UPDATE
    ), moved AS (
        UPDATE member m SET tier = %(tier)s, tier_until = %(cycle_to)s FROM found f
        WHERE m.id = f.id
    )
    INSERT INTO tier_change (member_id, step, tier_before, tier, growth, cycle_from, cycle_to, at)
    SELECT id, %(step)s, tier, %(tier)s, %(growth)s, %(cycle_from)s, %(cycle_to)s, %(now)s
    FROM found
    RETURNING tier_before
    """
# A tier is decided as soon as the growth suffices, or when the days of grace are over.
_DUE = text(
    """
    SELECT m.id, m.public_id, m.tier, m.tier_until, v.growth, v.growth >= t.threshold AS enough
    FROM member m
    JOIN unnest(CAST(:codes AS text[]), CAST(:thresholds AS bigint[])) AS t (code, threshold)
        ON t.code = m.tier
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(g.amount), 0)::bigint AS growth FROM growth g
        WHERE g.member_id = ANY (ARRAY(
            SELECT p.id FROM member p WHERE p.id = m.id OR p.merged_into_id = m.id))
            AND g.business_date BETWEEN
            CASE WHEN :rolling THEN (m.tier_until - interval '1 year')::date + 1
                 ELSE date_trunc('year', m.tier_until)::date END
            AND least(CAST(:today AS date) - 1, m.tier_until + CAST(:grace AS int))) v
    WHERE m.tier_until < :today AND m.status NOT IN ('closed', 'merged')
        AND (v.growth >= t.threshold OR m.tier_until + CAST(:grace AS int) < :today)
    ORDER BY m.tier_until, m.id LIMIT :limit
    FOR NO KEY UPDATE OF m SKIP LOCKED
    """
)
_MOVE = text(
    """
    WITH steps AS (
        SELECT * FROM unnest(
            CAST(:members AS bigint[]), CAST(:steps AS text[]), CAST(:before AS text[]),
            CAST(:tiers AS text[]), CAST(:growth AS bigint[]), CAST(:begins AS date[]),
            CAST(:ends AS date[]))
            AS s (member_id, step, tier_before, tier, growth, cycle_from, cycle_to)
    ), moved AS (
        UPDATE member m SET tier = s.tier, tier_until = s.cycle_to
        FROM steps s WHERE m.id = s.member_id
    )
    INSERT INTO tier_change (member_id, step, tier_before, tier, growth, cycle_from, cycle_to, at)
    SELECT member_id, step, tier_before, tier, growth, cycle_from, cycle_to, :now FROM steps
    """
)
