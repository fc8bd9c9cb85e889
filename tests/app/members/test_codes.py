"""M3, reliability §9: the member code, by the vectors of the RFC and of the rules."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.members import codes
from app.members.codes import MemberCode
from app.members.presence import Mode
from config.keys import hotp

SEED = bytes(range(32))
ALIAS = "0123456789"
AT = datetime.fromtimestamp(1_768_464_000, UTC)
IDENTIFY = "91012345678938913552"
SPEND = "92012345678945913395"


@pytest.mark.parametrize(("at", "password"), [(59, "46119246"), (1_111_111_109, "68084774")])
def test_hotp_is_that_of_rfc_6238(at: int, password: str) -> None:
    key = b"12345678901234567890123456789012"

    assert hotp(key, at // 30, digits=8, digest="sha256") == password


@pytest.mark.parametrize(("mode", "written"), [(Mode.EARN, IDENTIFY), (Mode.SPEND, SPEND)])
def test_a_code_is_that_of_the_rules(mode: Mode, written: str) -> None:
    assert codes.write(SEED, alias=ALIAS, mode=mode, at=AT) == written
    assert codes.parse(written) == MemberCode(mode=mode, alias=ALIAS, otp=written[12:])


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [(Mode.EARN, "03002534", "76242920"), (Mode.SPEND, "74633338", "11502388")],
)
def test_the_step_before_and_the_step_after_hold_too(mode: Mode, before: str, after: str) -> None:
    step = codes.step_at(AT)

    found = [
        MemberCode(mode=mode, alias=ALIAS, otp=otp).matching_step(SEED, at=AT)
        for otp in (before, after, "00000000")
    ]

    assert found == [step - 1, step + 1, None]


def test_two_steps_away_is_too_far() -> None:
    code = codes.parse(IDENTIFY)
    assert code is not None

    assert code.matching_step(SEED, at=AT + timedelta(seconds=59)) == codes.step_at(AT)
    assert code.matching_step(SEED, at=AT + timedelta(seconds=60)) is None
    assert code.matching_step(SEED, at=AT - timedelta(seconds=30)) == codes.step_at(AT)
    assert code.matching_step(SEED, at=AT - timedelta(seconds=31)) is None


def test_an_identify_code_never_spends() -> None:
    forged = codes.parse("92" + IDENTIFY[2:])
    assert forged is not None

    assert forged.matching_step(SEED, at=AT) is None


@pytest.mark.parametrize(
    "written",
    [
        "",
        IDENTIFY[:-1],
        IDENTIFY + "0",
        "93" + IDENTIFY[2:],
        "13" + IDENTIFY[2:],
        "９１０１２３４５６７８９３８９１３５５２",
        IDENTIFY[:-1] + "x",
    ],
)
def test_what_is_no_member_code_is_told_apart(written: str) -> None:
    assert codes.parse(written) is None


@given(
    seed=st.binary(min_size=32, max_size=32),
    alias=st.from_regex(r"[0-9]{10}", fullmatch=True).filter(str.isascii),
    mode=st.sampled_from(Mode),
    seconds=st.integers(0, 4_000_000_000),
)
def test_every_code_is_twenty_digits_and_holds_at_its_instant(
    seed: bytes, alias: str, mode: Mode, seconds: int
) -> None:
    at = datetime.fromtimestamp(seconds, UTC)

    written = codes.write(seed, alias=alias, mode=mode, at=at)
    code = codes.parse(written)

    assert len(written) == 20
    assert code is not None
    assert code.matching_step(seed, at=at) == codes.step_at(at)
