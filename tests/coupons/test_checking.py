"""The checker accepts every answer of the search and no altered one (C10)."""

import random
from dataclasses import replace

import pytest

from coupons.benefits import AmountOff, PercentOff, StoredValue
from coupons.candidates import Held, Points
from coupons.checking import faults
from coupons.conditions import Basket
from coupons.searching import Certificate
from coupons.stacking import Answer, Stack, best
from tests.coupons.wallets import basket, held, offer, random_basket, random_wallet, stacked

POINTS = Points(pays=lambda order_fen, burnable_fen: min(order_fen // 3, burnable_fen, 2_500))


@pytest.mark.parametrize("seed", range(20))
def test_every_answer_holds(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        wallet = random_wallet(chance, coupons=chance.randint(0, 14))
        sale = random_basket(chance, lines=chance.randint(1, 8))
        at_most = chance.choice([None, 2, 4])
        points = chance.choice([None, POINTS, replace(POINTS, counted=True)])
        limit = chance.choice([20_000, 3])

        answer = best(wallet, sale, at_most=at_most, points=points, node_limit=limit)

        assert faults(answer, wallet, sale, at_most=at_most, points=points) == []


def _case(seed: int) -> tuple[Answer, list[Held], Basket]:
    """Return an answer with a runner-up, at least two coupons and a cut below the root."""
    chance = random.Random(seed)
    while True:
        wallet = random_wallet(chance, coupons=9)
        sale = random_basket(chance, lines=4)
        answer = best(wallet, sale)
        if len(answer.best.uses) > 1 and answer.runner_up and len(answer.certificate.cuts) > 1:
            return answer, wallet, sale


@pytest.mark.parametrize("seed", range(15))
def test_a_fen_moved_between_lines_is_found(seed: int) -> None:
    answer, wallet, sale = _case(seed)
    use = answer.best.uses[0]
    line = next(n for n, share in enumerate(use.shares) if share)
    shares = list(use.shares)
    shares[line] -= 1
    shares[(line + 1) % len(shares)] += 1

    altered = replace(use, shares=tuple(shares))

    assert faults(_with_uses(answer, (altered, *answer.best.uses[1:])), wallet, sale)


@pytest.mark.parametrize("seed", range(15))
def test_another_order_of_application_is_found(seed: int) -> None:
    answer, wallet, sale = _case(seed)

    assert faults(_with_uses(answer, tuple(reversed(answer.best.uses))), wallet, sale)


@pytest.mark.parametrize("seed", range(15))
def test_a_worse_set_that_is_called_the_best_is_found(seed: int) -> None:
    answer, wallet, sale = _case(seed)
    assert answer.runner_up is not None

    swapped = replace(answer, best=answer.runner_up, runner_up=answer.best)
    alone = replace(answer, best=answer.runner_up, runner_up=None)

    assert faults(swapped, wallet, sale)
    assert faults(alone, wallet, sale)


@pytest.mark.parametrize("seed", range(15))
def test_a_proof_with_an_earlier_cut_or_a_smaller_claim_is_found(seed: int) -> None:
    answer, wallet, sale = _case(seed)

    at_the_root = replace(answer.certificate, cuts={(): (0, 0)})
    too_low = replace(answer.certificate, reach=answer.certificate.reach - 1)

    assert faults(_with_proof(answer, at_the_root), wallet, sale)
    assert faults(_with_proof(answer, too_low), wallet, sale)


@pytest.mark.parametrize("seed", range(30))
def test_the_best_of_a_smaller_wallet_does_not_pass_for_that_of_the_larger(seed: int) -> None:
    """Whatever coupon is kept from the search: its proof covers only what it saw."""
    answer, wallet, sale = _case(seed)

    for use in answer.best.uses:
        smaller = best([coupon for coupon in wallet if coupon.id != use.coupon], sale)
        assert smaller.certificate.proved
        assert faults(smaller, wallet, sale)


def test_a_claim_of_proof_after_a_search_cut_short_is_found() -> None:
    chance = random.Random(77)
    wallet, sale = random_wallet(chance, coupons=25), random_basket(chance, lines=10)
    answer = best(wallet, sale, node_limit=3)

    proved = replace(answer.certificate, proved=True)
    narrower = replace(answer.certificate, gap_fen=answer.certificate.gap_fen - 1)

    assert faults(answer, wallet, sale) == []
    assert faults(_with_proof(answer, proved), wallet, sale)
    assert faults(_with_proof(answer, narrower), wallet, sale)


def test_bounds_may_not_treat_coupons_as_apart_that_combine() -> None:
    wallet = [held(offer(AmountOff(fen=900 + n)), f"c{n}") for n in range(4)]
    answer = best(wallet, basket())

    one_cluster = ((tuple([(n,) for n in range(4)])),)
    certificate = replace(answer.certificate, clusters=one_cluster)

    assert faults(_with_proof(answer, certificate), wallet, basket())


def test_bounds_may_not_put_units_or_own_money_in_a_row() -> None:
    wallet = [
        held(offer(PercentOff(off_bps=1_000)), "a"),
        held(stacked(offer(StoredValue(fen=100)), place=1), "b"),
    ]
    answer = best(wallet, basket())

    for row in [((0,), (1,)), ((1,), (1,)), ((5,),)]:
        certificate = replace(answer.certificate, row=row)
        assert faults(_with_proof(answer, certificate), wallet, basket())


def test_a_coupon_that_is_not_in_the_wallet_is_found() -> None:
    wallet = [held(offer(AmountOff(fen=900)), "a"), held(offer(AmountOff(fen=900)), "b")]
    answer = best(wallet, basket())

    assert faults(answer, wallet[:1], basket())


def test_a_copy_used_out_of_turn_is_found() -> None:
    once = offer(AmountOff(fen=900))
    wallet = [held(once, "a", template="t"), held(once, "b", template="t")]
    answer = best(wallet, basket())

    later = replace(answer.best.uses[0], coupon="b")

    assert [use.coupon for use in answer.best.uses] == ["a"]
    assert faults(_with_uses(answer, (later,)), wallet, basket())


def _with_uses(answer: Answer, uses: tuple[object, ...]) -> Answer:
    stack: Stack = replace(answer.best, uses=uses)  # type: ignore[arg-type]
    return replace(answer, best=stack)


def _with_proof(answer: Answer, certificate: Certificate) -> Answer:
    return replace(answer, certificate=certificate)
