"""C18, reliability 10: made out for one store, a day, three at a time, and used once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from config.database import Database, now_of
from coupons import batches, invariants, issuing, offline, redemptions, templates, tokens, wallets
from coupons.errors import (
    BadTemplate,
    BudgetExhausted,
    Locked,
    MadeOut,
    NoSuchCoupon,
    NotOffline,
    OfflineLimit,
    Over,
    Voided,
)
from coupons.offline import GRACE, LASTS, MadeOutCoupon, Wrong
from coupons.redemptions import Use
from coupons.templates import Template
from coupons.wallets import Held, Standing
from tests.coupons.makers import KEYS, later, make_batch, make_template, tally
from tests.coupons.test_races import race
from tests.factories import unique

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
HOUR = timedelta(hours=1)


def plain(fen: int = 1_000, **terms: Any) -> Template:
    """Return a template of so many fen off anything, which may go offline."""
    document: Any = templates.dump(make_template(**terms))
    document["terms"]["offline_ok"] = True
    document["offer"]["benefit"]["fen"] = fen
    document["offer"]["threshold"] = {}
    return templates.load(document)


def claimed(session: Session, holder: str, template: Template | None = None) -> str:
    batch = make_batch(session, template or plain())
    return issuing.claim(session, batch=batch.code, holder=holder)[0].coupon


def held(session: Session, coupon: str) -> Held:
    return wallets.find(session, coupons=[coupon])[0]


def made_out(
    session: Session, coupon: str, holder: str, *, store: str = "str_1", also: str = ""
) -> MadeOutCoupon:
    return offline.make_out(
        session, held=held(session, coupon), holders=[holder, *([also] if also else [])],
        store=store, key=KEY, code_keys=KEYS,
    )  # fmt: skip


def judged(session: Session, made: MadeOutCoupon, *, store: str = "str_1") -> Wrong | None:
    found = offline.judge(
        session, jti=jti_of(made), store=store, used_at=made.starts_at + timedelta(minutes=1)
    )
    assert found is not None
    return found.wrong


def jti_of(made: MadeOutCoupon) -> str:
    return tokens.read(made.token, {tokens.key_id(KEY.public_key()): KEY.public_key()}).jti


def used(session: Session, made: MadeOutCoupon, *, order: str, fen: int = 1_000) -> None:
    offline.redeem(
        session, jti=jti_of(made), order=order, used_at=made.starts_at, skewed=False,
        use=Use(coupon=made.coupon, discount_fen=fen, order_fen=5_000),
    )  # fmt: skip


def test_a_coupon_is_made_out_once_and_asked_again_answers_with_the_same_token(
    session: Session,
) -> None:
    coupon = claimed(session, "mem_o1")

    first = made_out(session, coupon, "mem_o1")
    again = made_out(session, coupon, "mem_o1")
    seen = held(session, coupon)

    said = tokens.read(first.token, {tokens.key_id(KEY.public_key()): KEY.public_key()})
    assert (said.store, said.fen, said.template) == ("str_1", 1_000, seen.template.code)
    assert said.ends_at - said.starts_at == LASTS
    assert first.until == said.ends_at + GRACE
    assert (again.token, again.repeated, first.repeated) == (first.token, True, False)
    assert (seen.standing, seen.until) == (Standing.LOCKED, first.until)
    assert (seen.made_out_for, seen.made_out_until) == ("str_1", first.ends_at)


def test_what_is_made_out_is_locked_online_and_frees_itself_by_its_instant(
    session: Session,
) -> None:
    coupon = claimed(session, "mem_o2")
    made = made_out(session, coupon, "mem_o2")
    use = Use(coupon=coupon, discount_fen=1_000, order_fen=5_000)

    with pytest.raises(Locked):
        redemptions.redeem(session, order=unique("O"), uses=[use], holders=["mem_o2"])
    later(session, made.until - now_of(session) - timedelta(seconds=1))
    with pytest.raises(Locked):
        redemptions.redeem(session, order=unique("O"), uses=[use], holders=["mem_o2"])
    later(session, timedelta(seconds=1))
    redemptions.redeem(session, order=unique("O"), uses=[use], holders=["mem_o2"])

    assert held(session, coupon).standing is Standing.USED
    assert judged(session, made) is Wrong.LATE


def test_another_store_and_the_same_after_the_end_hear_where_it_is_and_until_when(
    session: Session,
) -> None:
    coupon = claimed(session, "mem_o3")
    made = made_out(session, coupon, "mem_o3")

    with pytest.raises(MadeOut) as elsewhere:
        made_out(session, coupon, "mem_o3", store="str_2")
    later(session, LASTS + HOUR)
    with pytest.raises(MadeOut) as ended:
        made_out(session, coupon, "mem_o3")

    assert (elsewhere.value.store, elsewhere.value.until) == ("str_1", made.until)
    assert ended.value.until == made.until
    assert "不能提前收回" in str(elsewhere.value)


def test_what_was_not_used_can_be_made_out_again_after_the_grace(session: Session) -> None:
    coupon = claimed(session, "mem_o4")
    first = made_out(session, coupon, "mem_o4")

    later(session, first.until - now_of(session))
    second = made_out(session, coupon, "mem_o4", store="str_2")

    assert jti_of(second) != jti_of(first)
    assert judged(session, first) is Wrong.LATE
    assert second.store == "str_2"


def test_three_are_out_at_a_time_under_all_names_of_a_member(session: Session) -> None:
    coupons = [claimed(session, "mem_o5") for _ in range(3)]
    more = claimed(session, "mem_o5b")
    for coupon in coupons:
        made_out(session, coupon, "mem_o5")

    with pytest.raises(OfflineLimit) as refused:
        made_out(session, more, "mem_o5b", also="mem_o5")
    later(session, LASTS + timedelta(seconds=1))
    fourth = made_out(session, more, "mem_o5b", also="mem_o5")

    assert refused.value.until - now_of(session) < LASTS
    assert not fourth.repeated


def test_a_used_or_recalled_one_leaves_its_place_to_another(session: Session) -> None:
    first, second, third, fourth, fifth = [claimed(session, "mem_o6") for _ in range(5)]
    made = made_out(session, first, "mem_o6")
    made_out(session, second, "mem_o6")
    made_out(session, third, "mem_o6")

    used(session, made, order=unique("O"))
    made_out(session, fourth, "mem_o6")
    with pytest.raises(OfflineLimit):
        made_out(session, fifth, "mem_o6")
    issuing.void(session, [second], why="印错")
    made_out(session, fifth, "mem_o6")


def test_eight_at_once_make_out_exactly_three(database: Database, district: str) -> None:
    """Exact under concurrency: eight coupons of a member at as many connections, repeats too."""
    holder = unique("mem_")
    with database.transaction(district) as session:
        coupons = [claimed(session, holder) for _ in range(8)]

    def act(coupon: str) -> Callable[[Session], object]:
        return lambda session: made_out(session, coupon, holder)

    said = race(database, district, [act(coupon) for coupon in [*coupons, *coupons]])

    with database.transaction(district) as session:
        out = session.scalar(
            text("SELECT count(*) FROM coupon_offline WHERE holder = :holder"), {"holder": holder}
        )
        broken = invariants.audit(session)
    assert out == 3
    assert said == {"done": 6, "OfflineLimit": 10}
    assert broken == []


def test_a_coupon_goes_offline_or_to_an_order_on_the_line_and_never_to_both(
    database: Database, district: str
) -> None:
    """Sixteen connections: some make it out for two stores, some redeem it."""
    holder = unique("mem_")
    with database.transaction(district) as session:
        coupon = claimed(session, holder)

    def redeem(order: str) -> Callable[[Session], object]:
        use = Use(coupon=coupon, discount_fen=1_000, order_fen=5_000)
        return lambda session: redemptions.redeem(
            session, order=order, uses=[use], holders=[holder]
        )

    def make(store: str) -> Callable[[Session], object]:
        return lambda session: made_out(session, coupon, holder, store=store)

    acts = [redeem(unique("O")) for _ in range(8)] + [make("str_a")] * 4 + [make("str_b")] * 4
    said = race(database, district, acts)

    with database.transaction(district) as session:
        out = session.scalars(
            text("SELECT store FROM coupon_offline WHERE holder = :holder"), {"holder": holder}
        ).all()
        sold = session.scalar(
            text(
                "SELECT count(*) FROM coupon_redemption r JOIN coupon c ON c.id = r.coupon_id"
                " WHERE c.public_id = :coupon"
            ),
            {"coupon": coupon},
        )
        broken = invariants.audit(session)
    assert (len(out), sold) in {(1, 0), (0, 1)}
    assert said["done"] == (4 if out else 1)  # The same store again is told the same token.
    assert broken == []


def test_a_recall_and_an_upload_at_once_leave_one_of_them(
    database: Database, district: str
) -> None:
    """Judged under the coupon's lock: either it was used, or it is void and unused."""
    for _ in range(5):
        holder = unique("mem_")
        with database.transaction(district) as session:
            made = made_out(session, claimed(session, holder), holder)

        def upload(session: Session, made: MadeOutCoupon = made) -> None:
            if judged(session, made) is None:
                used(session, made, order=unique("O"))

        def recall(session: Session, made: MadeOutCoupon = made) -> None:
            issuing.void(session, [made.coupon], why="印错")

        said = race(database, district, [upload, recall])

        with database.transaction(district) as session:
            after = judged(session, made)
            state = held(session, made.coupon).standing
            broken = invariants.audit(session)
        assert said == {"done": 2}
        assert (after, state) in {
            (Wrong.USED_TWICE, Standing.USED), (Wrong.REVOKED, Standing.VOID),
        }  # fmt: skip
        assert broken == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("seat = 4", "coupon_offline_seat_check"),
        ("fen = 2001", "coupon_offline_fen_check"),
        ("ends_at = ends_at + interval '1 hour'", "coupon_offline_time_check"),
        ("order_ref = 'O'", "coupon_offline_use_check"),
        ("fen = 900", "refused"),
        ("store = 'str_9'", "refused"),
    ],
)
def test_the_database_itself_refuses_more_and_any_change_of_what_is_promised(
    database: Database, owner_url: str, district: str, change: str, why: str
) -> None:
    """Not even the owner of the tables; a check where the trigger is out of the way."""
    with database.transaction(district) as session:
        holder = unique("mem_")
        jti = jti_of(made_out(session, claimed(session, holder), holder))

    with psycopg.connect(owner_url) as owner:
        owner.execute("SET search_path = d_test, pg_temp")
        if why != "refused":
            owner.execute("ALTER TABLE coupon_offline DISABLE TRIGGER used_for_good")
        with pytest.raises(psycopg.Error) as refused:
            owner.execute(f"UPDATE coupon_offline SET {change} WHERE jti = '{jti}'".encode())
        owner.rollback()

    assert why == "refused" or why in str(refused.value)


def test_the_application_writes_no_token_but_by_the_function(session: Session) -> None:
    made_out(session, claimed(session, "mem_o7"), "mem_o7")

    for act in (
        "UPDATE coupon_offline SET order_ref = 'x'",
        "DELETE FROM coupon_offline",
        "INSERT INTO coupon_offline_key VALUES ('k', 'x', now())",
    ):
        with pytest.raises(DBAPIError, match="permission denied"), session.begin_nested():
            session.execute(text(act))


def test_a_token_is_used_once_and_the_second_time_is_told(session: Session) -> None:
    batch = make_batch(session, plain(budget={"fen": {"all": 5_000}}))
    coupon = issuing.claim(session, batch=batch.code, holder="mem_o8")[0].coupon
    made = made_out(session, coupon, "mem_o8")
    reserved = tally(session, batch.code, "fen")

    before = judged(session, made)
    used(session, made, order="ord_o8", fen=700)
    after = judged(session, made)

    assert (reserved, tally(session, batch.code, "fen")) == ((1_000, 0), (0, 700))
    assert (before, after) == (None, Wrong.USED_TWICE)
    assert held(session, coupon).standing is Standing.USED
    back = redemptions.roll_back_order(
        session, order="ord_o8", key="r", parts=[Use(coupon=coupon, discount_fen=700, order_fen=0)],
        whole_order=True,
    )  # fmt: skip
    assert back[0].returned
    assert invariants.audit(session) == []


def test_a_returned_coupon_is_made_out_anew_and_the_old_token_stays_used(session: Session) -> None:
    """So a store's journal, where each jti stands once, does not refuse the second time."""
    coupon = claimed(session, "mem_o9")
    first = made_out(session, coupon, "mem_o9")
    used(session, first, order="ord_o9")
    redemptions.roll_back_order(
        session, order="ord_o9", key="r", whole_order=True,
        parts=[Use(coupon=coupon, discount_fen=1_000, order_fen=5_000)],
    )  # fmt: skip

    second = made_out(session, coupon, "mem_o9")

    assert jti_of(second) != jti_of(first)
    assert (judged(session, first), judged(session, second)) == (Wrong.USED_TWICE, None)


def test_why_a_token_is_not_honoured(session: Session) -> None:
    made = made_out(session, claimed(session, "mem_o10"), "mem_o10")

    def at(when: timedelta) -> tuple[Wrong | None, bool]:
        found = offline.judge(
            session, jti=jti_of(made), store="str_1", used_at=made.starts_at + when
        )
        assert found is not None
        return found.wrong, found.skewed

    assert judged(session, made, store="str_2") is Wrong.WRONG_STORE
    assert at(-timedelta(minutes=10)) == (None, True)
    assert at(-timedelta(minutes=10, seconds=1)) == (Wrong.OUT_OF_TIME, True)
    later(session, LASTS + HOUR)
    assert at(LASTS - timedelta(seconds=1)) == (None, False)
    assert at(LASTS) == (None, True)
    assert at(LASTS + timedelta(minutes=10)) == (Wrong.OUT_OF_TIME, True)
    issuing.void(session, [made.coupon], why="印错")
    assert judged(session, made) is Wrong.REVOKED
    assert offline.judge(session, jti="oct_none", store="str_1", used_at=made.starts_at) is None


def test_a_recall_is_told_to_the_tills_of_its_store_until_the_token_is_over(
    session: Session,
) -> None:
    made = made_out(session, claimed(session, "mem_o11"), "mem_o11", store="str_r1")
    made_out(session, claimed(session, "mem_o11"), "mem_o11", store="str_r1")

    before = offline.list_revoked(session, store="str_r1")
    issuing.void(session, [made.coupon], why="印错")
    after = offline.list_revoked(session, store="str_r1")
    elsewhere = offline.list_revoked(session, store="str_r2")
    later(session, LASTS + HOUR)
    ended = offline.list_revoked(session, store="str_r1")

    assert (before, elsewhere, ended) == ([], [], [])
    assert [(each.jti, each.ends_at) for each in after] == [(jti_of(made), made.ends_at)]


def test_an_earlier_key_is_listed_until_its_last_token_is_over(session: Session) -> None:
    """Rotation: the key is replaced, what it signed stays good."""
    current = Ed25519PrivateKey.from_private_bytes(bytes(range(3, 35))).public_key()
    made = made_out(session, claimed(session, "mem_o12"), "mem_o12")
    old, new = tokens.key_id(KEY.public_key()), tokens.key_id(current)

    now = offline.public_keys(session, current)
    later(session, made.until - now_of(session))
    then = offline.public_keys(session, current)

    assert {old, new} <= now.keys()
    assert (old in then, new in then) == (False, True)
    assert offline.read(session, made.token, current=current).jti == jti_of(made)


def test_a_coupon_that_is_over_sooner_is_made_out_until_then(session: Session) -> None:
    coupon = claimed(session, "mem_o13", plain(validity={"days": 0}))
    until = held(session, coupon).valid_until

    made = made_out(session, coupon, "mem_o13")
    later(session, until - now_of(session))

    assert made.ends_at == min(until, made.starts_at + LASTS)
    assert held(session, coupon).standing is not Standing.USABLE


def test_what_may_not_go_offline_is_refused_with_its_reason(session: Session) -> None:
    online = issuing.claim(session, batch=make_batch(session).code, holder="mem_o14")[0].coupon
    mine = claimed(session, "mem_o14")
    with pytest.raises(NotOffline, match="模板不允许"):
        made_out(session, online, "mem_o14")
    with pytest.raises(NoSuchCoupon):
        made_out(session, mine, "mem_o15")
    recalled = claimed(session, "mem_o14")
    issuing.void(session, [recalled], why="印错")
    with pytest.raises(Voided):
        made_out(session, recalled, "mem_o14")
    over = claimed(session, "mem_o14", plain(validity={"days": 0}))
    later(session, timedelta(days=2))
    with pytest.raises(Over):
        made_out(session, over, "mem_o14")


def test_what_is_made_out_is_not_handed_on_and_its_budget_is_held(session: Session) -> None:
    batch = make_batch(
        session, plain(budget={"fen": {"all": 1_500}}, transfer=1, limits={"per_member": 2})
    )
    first, second = [
        issuing.claim(session, batch=batch.code, holder="mem_o16", n=n)[0].coupon for n in (1, 2)
    ]
    made_out(session, first, "mem_o16")

    with pytest.raises(Locked):
        issuing.hand_on(session, coupon=first, giver="mem_o16", taker="mem_o17")
    with pytest.raises(BudgetExhausted):
        made_out(session, second, "mem_o16")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda said: said["offer"].update(threshold={"min_fen": 1}), "threshold"),
        (lambda said: said["offer"].update(when={"weekdays": [1]}), "when"),
        (lambda said: said["offer"].update(tenders=["cash"]), "tenders"),
        (lambda said: said["offer"].update(scope={"include": {"skus": ["S1"]}}), "scope.include"),
        (
            lambda said: said["offer"].update(scope={"exclude": {"categories": ["tea"]}}),
            "scope.exclude",
        ),
        (lambda said: said["terms"].update(budget={"order_fen": {"all": 9}}), "budget.order_fen"),
    ],
)
def test_a_template_that_asks_what_a_till_cannot_look_at_is_refused(
    session: Session, change: Any, path: str
) -> None:
    document: Any = templates.dump(plain())
    change(document)

    with pytest.raises(BadTemplate) as refused:
        batches.add_template(session, templates.load(document), by="system:test")

    assert refused.value.path.endswith(path)
    assert templates.load(document).unseen == [refused.value.path.removeprefix("template.")]
