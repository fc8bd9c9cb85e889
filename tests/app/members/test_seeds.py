"""M3, decision 24, reliability §9: seeds of devices, one use of each code, and guessing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.errors import TooOften
from app.members import codes, devices, freezing, seeds
from app.members.devices import Device, Ending
from app.members.errors import MemberCodeUsed, MemberNotActive
from app.members.identification import KnownMember, get_by_public_id
from app.members.presence import Mode
from app.members.seeds import IssuedSeed, Redeemed
from config.database import Database, now_of
from tests.factories import TESTER, make_member, make_till


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


@pytest.fixture
def device(session: Session, member: KnownMember) -> Device:
    return devices.open_on(session, member=member, source="web", now=now_of(session))


@pytest.fixture
def seed(session: Session, device: Device) -> IssuedSeed:
    return seeds.issue(session, device, now=now_of(session))


@pytest.fixture
def terminal_id(session: Session) -> int:
    return make_till(session).id


def shown(session: Session, seed: IssuedSeed, mode: Mode = Mode.EARN, *, minutes: int = 0) -> str:
    at = now_of(session) + timedelta(minutes=minutes)
    return codes.write(seed.seed, alias=seed.alias, mode=mode, at=at)


def redeem(
    session: Session, written: str, terminal_id: int, *, shown_at: int = 0, minutes: int = 0
) -> Redeemed | None:
    """Redeem a code that was shown and is sent some minutes from now."""
    return seeds.redeem_code(
        session,
        written,
        terminal_id=terminal_id,
        at=now_of(session) + timedelta(minutes=shown_at),
        now=now_of(session) + timedelta(minutes=minutes),
    )


def wrong(seed: IssuedSeed, session: Session) -> str:
    good = shown(session, seed)
    return good[:-1] + str((int(good[-1]) + 1) % 10)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_code_names_its_member_and_what_it_is_for(
    session: Session, member: KnownMember, seed: IssuedSeed, terminal_id: int, mode: Mode
) -> None:
    found = redeem(session, shown(session, seed, mode), terminal_id)

    assert found == Redeemed(member=member, mode=mode)


def test_a_code_is_good_once_in_each_mode(
    session: Session, seed: IssuedSeed, terminal_id: int
) -> None:
    redeem(session, shown(session, seed), terminal_id)

    with pytest.raises(MemberCodeUsed):
        redeem(session, shown(session, seed), terminal_id)
    assert redeem(session, shown(session, seed, Mode.SPEND), terminal_id) is not None


def test_what_does_not_hold_looks_alike(
    session: Session, seed: IssuedSeed, terminal_id: int
) -> None:
    answers = [
        redeem(session, written, terminal_id)
        for written in (
            wrong(seed, session),
            shown(session, seed, minutes=2),
            "91" + "0" * 18,
            "134567890123456789",
        )
    ]

    assert answers == [None] * 4


def test_a_seed_lives_a_day_and_ends_when_its_device_fetches_another(
    session: Session, device: Device, seed: IssuedSeed, terminal_id: int
) -> None:
    late = shown(session, seed, minutes=24 * 60)
    assert redeem(session, late, terminal_id, shown_at=24 * 60, minutes=24 * 60) is None

    seeds.issue(session, device, now=now_of(session))

    assert redeem(session, shown(session, seed), terminal_id) is None


def test_signing_out_ends_the_codes_of_that_device_alone(
    session: Session, device: Device, seed: IssuedSeed, terminal_id: int
) -> None:
    other = devices.open_on(session, member=device.member, source="web", now=now_of(session))
    kept = seeds.issue(session, other, now=now_of(session))

    devices.end(session, device, why=Ending.SIGNED_OUT, now=now_of(session))

    assert redeem(session, shown(session, seed), terminal_id) is None
    assert redeem(session, shown(session, kept), terminal_id) is not None


def test_a_code_captured_offline_is_checked_at_its_business_time(
    session: Session, member: KnownMember, seed: IssuedSeed, terminal_id: int
) -> None:
    """Semantics 40: three days later the seed is over and was still good when it was shown."""
    written, later = shown(session, seed, minutes=60), 60 + 72 * 60

    assert redeem(session, written, terminal_id, shown_at=later, minutes=later) is None
    found = redeem(session, written, terminal_id, shown_at=60, minutes=later)

    assert found is not None
    assert found.member == member


def test_seeds_are_forgotten_after_four_days_and_uses_never(
    session: Session, seed: IssuedSeed, terminal_id: int
) -> None:
    redeem(session, shown(session, seed), terminal_id)
    now = now_of(session)

    seeds.purge(session, now=now + timedelta(hours=96))
    assert redeem(session, shown(session, seed, minutes=9), terminal_id, shown_at=9,
                  minutes=96 * 60) is None  # fmt: skip
    gone = seeds.purge(session, now=now + timedelta(hours=96, seconds=1))

    uses = session.scalar(
        text("SELECT count(*) FROM code_use WHERE alias = :alias"), {"alias": seed.alias}
    )
    assert (gone, uses) == (1, 1)


def test_five_wrong_passwords_in_ten_minutes_end_the_alias(
    session: Session, seed: IssuedSeed, terminal_id: int
) -> None:
    for minutes in (0, 2, 4, 6):
        redeem(session, wrong(seed, session), terminal_id, minutes=minutes)
    assert redeem(session, shown(session, seed), terminal_id) is not None

    redeem(session, wrong(seed, session), terminal_id, minutes=8)

    later = shown(session, seed, minutes=9)
    assert redeem(session, later, terminal_id, shown_at=9, minutes=9) is None


def test_wrong_passwords_further_apart_do_not(
    session: Session, seed: IssuedSeed, terminal_id: int
) -> None:
    for minutes in (0, 3, 6, 9, 12):
        redeem(session, wrong(seed, session), terminal_id, minutes=minutes)

    later = shown(session, seed, minutes=13)
    assert redeem(session, later, terminal_id, shown_at=13, minutes=13) is not None


def test_a_terminal_that_guesses_waits_a_minute_and_others_do_not(
    session: Session, seed: IssuedSeed, terminal_id: int
) -> None:
    for number in range(10):
        redeem(session, f"91{number:018d}", terminal_id)

    with pytest.raises(TooOften) as refused:
        redeem(session, shown(session, seed), terminal_id)
    elsewhere = redeem(session, shown(session, seed), make_till(session).id)

    assert refused.value.seconds == 60
    assert elsewhere is not None


def test_who_is_frozen_gets_no_seed(session: Session, member: KnownMember, device: Device) -> None:
    """M11"""
    freezing.freeze(session, member.public_id, by=TESTER, reason="x")
    frozen = devices.find(session, device.public_id, now=now_of(session))
    assert frozen is not None
    assert frozen.member == get_by_public_id(session, member.public_id)

    with pytest.raises(MemberNotActive):
        seeds.issue(session, frozen, now=now_of(session))


def test_the_seed_is_sealed(session: Session, seed: IssuedSeed) -> None:
    stored = session.scalar(
        text("SELECT seed FROM code_seed WHERE alias = :alias"), {"alias": seed.alias}
    )

    assert stored is not None
    assert seed.seed not in stored
    assert seed.seed.hex() not in repr(seed)


def test_of_two_tills_that_send_one_code_at_once_one_gets_the_member(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        now = now_of(session)
        device = devices.open_on(session, member=make_member(session), source="web", now=now)
        seed = seeds.issue(session, device, now=now)
        written = shown(session, seed)
        tills = [make_till(session).id for _ in range(2)]
    barrier = threading.Barrier(2)

    def send(terminal_id: int) -> bool:
        barrier.wait()
        try:
            with database.transaction(district) as session:
                return seeds.redeem_code(
                    session, written, terminal_id=terminal_id, at=now, now=now
                ) is not None  # fmt: skip
        except MemberCodeUsed:
            return False

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(send, tills)) == [False, True]
