"""The client against the running service, over a network that loses answers (P7, semantics 39)."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from plaza_client import (
    Captured,
    Line,
    OrderLine,
    RefundPart,
    Refused,
    Tender,
    Till,
    Unanswered,
    Write,
)
from plaza_client.signing import authorization, string_to_sign

from tests.clients.python.network import Network
from tests.clients.python.worlds import World
from tests.factories import unique

TEA = Line(sku="S1", name="龙井", amount_fen=10_000, category="tea")
NUTS = Line(sku="S2", name="瓜子", amount_fen=3_000, quantity=3)


def test_the_vector_of_the_rules_holds() -> None:
    """Reliability §8: the client's own signature, apart from the server's."""
    text = string_to_sign(
        key_id="pk_test_0001",
        timestamp=1768464000,
        nonce="n-0123456789abcdef",
        method="POST",
        path="/v1/pos/redemptions",
        query="dry_run=0&store=S01",
        idempotency_key="idem-0001-0001-0001",
        body=b'{"member_code":"9201234567891234","pos_txn_no":"T20260115-0001","amount_fen":12800}',
    )

    header = authorization(
        bytes(range(32)), text, key_id="pk_test_0001", timestamp=1768464000,
        nonce="n-0123456789abcdef",
    )  # fmt: skip

    assert header.endswith('signature="1zh61iCZpJO3GZpTaWdjZ9rTOk+L0Cbfbk9X/KXfCkw="')


def test_a_day_at_the_till(base_url: str, world: World) -> None:
    with world.till(base_url) as till:
        known = till.identify(phone=world.phone)
        quoted = till.quote(lines=[TEA, NUTS], identification_id=known.identification_id)
        sold = till.sell(
            number=unique("N"),
            lines=[TEA, NUTS],
            tenders=[Tender(name="wechat", fen=quoted.due_fen)],
            identification_id=known.identification_id,
            quote_id=quoted.quote_id,
        )
        back = till.refund(
            sold.order_id, number=unique("R"), parts=[RefundPart(line=2, quantity=1)]
        )
        found = till.find(number=sold.number)
        placed = till.place(number=unique("N"), lines=[TEA])
        paid = till.pay(placed.order_id, tenders=[Tender(name="cash", fen=10_000)])
        voided = till.void(paid.order_id, number=unique("R"))
        given_up = till.cancel(till.place(number=unique("N"), lines=[TEA]).order_id)
        activated = till.tell_event(sold.order_id, "order.collected")

    assert (known.name, known.may_burn) == ("张*", False)
    assert (quoted.due_fen, quoted.earn_points, sold.earned_points) == (13_000, 130, 130)
    assert sold.receipt.next_expiry is not None
    assert sold.receipt.next_expiry.points == sold.receipt.balance_points == 130
    assert back.tenders == (Tender(name="wechat", fen=1_000),)
    assert (found.refunded_fen, found.replayed) == (1_000, False)
    assert isinstance(found.lines[1], OrderLine)
    assert found.lines[1].refunded_quantity == 1
    assert (paid.state, voided.fen, given_up.state) == ("paid", 10_000, "cancelled")
    assert activated == 0
    assert world.points() == 120


def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_key(
    line: Network, world: World
) -> None:
    """Semantics 39: the sale stands once, and the till learns of it."""
    told: list[Write] = []
    with world.till(line.base_url, before_send=told.append) as till:
        known = till.identify(phone=world.phone)
        line.faults.extend(["lost", "refused", "lost"])
        till.close()
        sold = till.sell(
            number=unique("N"),
            lines=[TEA],
            tenders=[Tender(name="cash", fen=10_000)],
            identification_id=known.identification_id,
        )

    assert sold.replayed
    assert line.faults == type(line.faults)()
    assert len(told) == 1
    assert world.points() == 100


def test_who_gets_no_answer_is_told_the_key_and_may_repeat_later(
    line: Network, world: World
) -> None:
    number, fresh = unique("N"), [Tender(name="cash", fen=10_000)]
    with world.till(line.base_url, patience_seconds=0.5) as till:
        line.faults.extend(["lost"] * 20)
        with pytest.raises(Unanswered) as unanswered:
            till.sell(number=number, lines=[TEA], tenders=fresh)
        line.faults.clear()
        sold = till.sell(number=number, lines=[TEA], tenders=fresh, key=unanswered.value.key)
        again = till.sell(number=number, lines=[TEA], tenders=fresh)

    assert (sold.replayed, again.replayed) == (True, True)
    assert again.order_id == sold.order_id


def test_an_exchange_and_a_day_offline(base_url: str, world: World) -> None:
    """Semantics 13, 40: one sale of the upload was known already, one cannot be right."""
    silk = Line(sku="S9", name="丝巾", amount_fen=15_000)
    at = datetime.now(UTC) - timedelta(hours=3)
    whole, known = [Tender(name="cash", fen=10_000)], unique("N")
    with world.till(base_url) as till:
        first = till.sell(number=known, lines=[TEA], tenders=whole)
        done = till.exchange(
            till.sell(number=unique("N"), lines=[TEA], tenders=whole).order_id,
            refund_number=unique("R"),
            number=unique("N"),
            lines=[silk],
            tenders=[Tender(name="card", fen=15_000)],
        )
        verdicts = till.upload(
            [
                Captured(number=known, occurred_at=at, lines=[TEA], tenders=whole),
                Captured(
                    number=unique("N"), occurred_at=at, lines=[TEA], tenders=whole,
                    phone=world.phone,
                ),
                Captured(number=unique("N"), occurred_at=at, lines=[silk], tenders=whole),
            ]
        )  # fmt: skip

    assert (done.refund.fen, done.order.due_fen, done.to_pay_fen) == (10_000, 15_000, 5_000)
    assert [verdict.status for verdict in verdicts] == [200, 201, 409]
    assert verdicts[0].order is not None
    assert verdicts[0].order.order_id == first.order_id
    assert verdicts[2].code == "state-conflict"
    assert "应付 ¥150.00" in verdicts[2].detail
    assert world.points() == 100


def test_a_refusal_is_told_at_once_for_the_cashier(base_url: str, world: World) -> None:
    with world.till(base_url) as till, pytest.raises(Refused) as refused:
        till.sell(number=unique("N"), lines=[TEA], tenders=[Tender(name="cash", fen=1)])

    assert (refused.value.status, refused.value.code) == (409, "state-conflict")
    assert "应付 ¥100.00" in refused.value.detail
    assert refused.value.instance.startswith("req_")


def test_wrong_values_are_told_by_pointer(base_url: str, world: World) -> None:
    bad = Line(sku="S1", name="龙井", amount_fen=-1)

    with world.till(base_url) as till, pytest.raises(Refused) as refused:
        till.quote(lines=[bad])

    assert list(refused.value.faults) == [
        {"pointer": "/lines/0/amount_fen", "code": "out-of-range"}
    ]


def test_a_clock_that_is_off_is_set_by_the_server_s(base_url: str, world: World) -> None:
    with world.till(base_url) as till:
        till._sender._clock_error = 4_000.0
        sold = till.sell(number=unique("N"), lines=[TEA], tenders=[Tender(name="cash", fen=10_000)])

        assert abs(till.set_clock()) < 5
    assert sold.state == "paid"


def test_a_till_that_is_too_fast_waits_and_gets_through(base_url: str, world: World) -> None:
    """Reliability §12: 30 identifications at once, then two a second."""
    with world.till(base_url) as till:
        began = time.monotonic()
        known = {till.identify(phone=world.phone).identification_id for _ in range(32)}

    assert len(known) == 32
    assert time.monotonic() - began < 30


def test_an_unknown_key_is_refused(base_url: str, world: World) -> None:
    stranger = Till(
        base_url=base_url, key_id="pk_test_0000", secret=bytes(32), terminal_id="T1",
        cashier_id="007",
    )  # fmt: skip

    with stranger, pytest.raises(Refused, match="bad-signature"):
        stranger.get("ord_" + "0" * 26)
