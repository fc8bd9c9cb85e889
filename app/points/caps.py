"""Caps: the most that a rule gives a member in a day, week, month or campaign (E4, semantics 54).

What rules with caps gave is written with the order and read under the wallet's lock, so two tills
at once never go above one. Of somebody who was merged all counts (semantics 46). A sale that no
such rule touches reads and writes nothing here.
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import LiteralString, assert_never

from sqlalchemy.orm import Session

from app.clock import month_end
from app.points.definitions import Cap, CapMode, CapPeriod
from app.points.earning import Earned, RuleEarned
from app.points.rulebook import Cut, EarnRule
from config.database import fetch

_PERIODS = {
    CapPeriod.DAY: ("每日", "a day"),
    CapPeriod.WEEK: ("每周", "a week"),
    CapPeriod.MONTH: ("每月", "a month"),
    CapPeriod.CAMPAIGN: ("本活动", "in the campaign"),
}


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a cap counts: a member's points of a rule or a campaign, on days of which both count."""

    member_id: int
    rule: str | None = None
    campaign: str | None = None
    start: date = date.min
    end: date = date.max


Used = MutableMapping[Room, int]


def limited(
    session: Session, earned: Earned, *, member_id: int, day: date, used: Used | None = None
) -> Earned:
    """Return what is earned once the caps of its rules are kept, on the order's business day.

    One round trip, and only where a cap has to be looked up. `used` remembers what orders that are
    written together have taken: it is read where it is known, and grows with what is given here.
    """
    taken: Used = {} if used is None else used
    wanted = {
        room
        for each in earned.rules
        for _, room in rooms(each.rule, member_id=member_id, day=day)
        if room not in taken
    }
    taken.update(_read(session, sorted(wanted, key=repr)))
    return within(earned, taken, member_id=member_id, day=day)


def within(earned: Earned, used: Used, *, member_id: int, day: date) -> Earned:
    """Return what is earned within caps of which so much is used; it grows with what is given."""
    kept: list[RuleEarned] = []
    cuts: list[Cut] = []
    for each in earned.rules:
        capped = rooms(each.rule, member_id=member_id, day=day)
        given, cut = each, None
        for cap, room in capped:
            left = max(cap.points - used.get(room, 0), 0)
            if given.points > left:
                given = given.cut_to(left if cap.mode is CapMode.CUT else 0)
                cut = Cut(rule=each.rule, cap=cap, desired=each.points, given=given.points)
        for _, room in capped:
            used[room] = used.get(room, 0) + given.points
        kept.append(given)
        cuts += [] if cut is None else [cut]
    if not cuts:
        return earned
    return Earned.of(kept, lines=len(earned.line_points), cuts=cuts)


def rooms(rule: EarnRule, *, member_id: int, day: date) -> Sequence[tuple[Cap, Room]]:
    """Return the caps of a rule and what each counts for an order of a business day."""
    definition = rule.definition
    found = []
    for cap in sorted(definition.caps):
        if cap.period is CapPeriod.CAMPAIGN:
            room = Room(member_id=member_id, campaign=definition.campaign)
        else:
            start, end = _days(cap.period, day)
            room = Room(member_id=member_id, rule=rule.code, start=start, end=end)
        found.append((cap, room))
    return found


def uses(earned: Earned, *, member_id: int, order: str, day: date) -> list[Mapping[str, object]]:
    """Return what an order's rules with caps gave, as JSON fields for its statement."""
    return [
        {
            "member_id": member_id,
            "source": order,
            "rule": each.rule.code,
            "campaign": each.rule.definition.campaign,
            "points": each.points,
            "business_date": day.isoformat(),
        }
        for each in earned.rules
        if each.rule.definition.caps
    ]


def why(cut: Cut) -> tuple[str, str]:
    """Return why a rule gives less, in Chinese and in English."""
    zh, en = _PERIODS[cut.cap.period]
    return (
        f"应得 {cut.desired} 积分，{zh}上限 {cut.cap.points}，实得 {cut.given}",
        f"{cut.given} of {cut.desired} points: at most {cut.cap.points} {en}",
    )


def _days(period: CapPeriod, day: date) -> tuple[date, date]:
    match period:
        case CapPeriod.DAY:
            return day, day
        case CapPeriod.WEEK:
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=6)
        case CapPeriod.MONTH:
            return day.replace(day=1), month_end(day)
        case CapPeriod.CAMPAIGN:
            return date.min, date.max
    assert_never(period)


def _read(session: Session, wanted: Iterable[Room]) -> dict[Room, int]:
    asked = list(wanted)
    if not asked:
        return {}
    rows = fetch(
        session,
        _USED,
        {
            "members": [room.member_id for room in asked],
            "rules": [room.rule for room in asked],
            "campaigns": [room.campaign for room in asked],
            "starts": [room.start for room in asked],
            "ends": [room.end for room in asked],
        },
    )
    return {asked[row.place - 1]: row.points for row in rows}


_USED: LiteralString = """
    SELECT w.place, (
        SELECT coalesce(sum(u.points), 0)::bigint FROM rule_use u
        WHERE u.member_id = ANY (ARRAY(
                SELECT p.id FROM member p
                WHERE p.id = w.member_id OR p.merged_into_id = w.member_id))
            AND u.business_date BETWEEN w.start AND w.until
            AND (u.rule = w.rule OR u.campaign = w.campaign)) AS points
    FROM unnest(CAST(%(members)s AS bigint[]), CAST(%(rules)s AS text[]),
                CAST(%(campaigns)s AS text[]), CAST(%(starts)s AS date[]),
                CAST(%(ends)s AS date[]))
        WITH ORDINALITY AS w (member_id, rule, campaign, start, until, place)
    """
