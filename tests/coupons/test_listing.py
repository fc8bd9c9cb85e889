"""P6, C5: what those who manage coupons see, newest first in pages, and runs of codes."""

import pytest
from sqlalchemy.orm import Session

from coupons import batches, listing, runs
from coupons.errors import NoSuchCoupon
from tests.coupons.makers import KEYS, make_batch, make_template
from tests.factories import unique


def made(session: Session, batch: str, name: str, wanted: int | None) -> runs.Run:
    return runs.open_run(session, batch=batch, name=name, wanted=wanted, keys=KEYS, by="stf_1")


def test_templates_come_newest_first_each_in_its_newest_version(session: Session) -> None:
    first, second = make_template(), make_template()
    for each in (first, second, make_template()):
        batches.add_template(session, each, by="stf_1")
    document = make_template(limits={"total": 7})
    batches.add_template(session, document, by="stf_1")

    newest = listing.list_templates(session, before=None, limit=2)
    rest = listing.list_templates(session, before=newest[-1][0], limit=2)

    assert newest[0][1].template.code == document.code
    assert [each.template.code for _, each in rest] == [second.code, first.code]


def test_batches_come_newest_first_with_who_opened_and_why_they_were_closed(
    session: Session,
) -> None:
    first, second = make_batch(session), make_batch(session)
    batches.close(session, first.code, why="停")

    (newest,) = listing.list_batches(session, before=None, limit=1)
    (before,) = listing.list_batches(session, before=newest.key, limit=1)

    assert (newest.batch.code, newest.closed_at) == (second.code, None)
    assert (before.batch.code, before.closed_why, before.opened_by) == (
        first.code, "停", "system:test",
    )  # fmt: skip
    assert listing.get_batch(session, first.code) == before
    with pytest.raises(NoSuchCoupon):
        listing.get_batch(session, "NOWHERE")


def test_a_run_that_lacks_codes_waits_until_it_has_them_or_is_called_back(
    session: Session,
) -> None:
    batch = make_batch(session).code
    whole, half, void = (made(session, batch, name, 5) for name in ("whole", "half", "void"))
    runs.fill(session, whole, keys=KEYS)
    runs.fill(session, half, keys=KEYS, limit=3)
    runs.void_run(session, batch=batch, name="void", why="失窃")

    waiting = [each for each in listing.waiting_runs(session) if each.batch == batch]

    assert [(each.public_id, each.made, each.is_ready) for each in waiting] == [
        (half.public_id, 3, False)
    ]
    assert listing.get_run(session, whole.public_id).is_ready
    assert listing.get_run(session, void.public_id).voided_why == "失窃"


def test_an_imported_run_counts_what_was_taken_over(session: Session) -> None:
    batch, prefix = make_batch(session).code, unique("OLD")
    run = made(session, batch, "legacy", None)
    runs.take_over(session, run, [(7, f"{prefix}-1"), (9, f"{prefix}-2")], keys=KEYS)

    (kept,) = listing.list_runs(session, batch=batch, before=None, limit=10)

    assert (kept.made, kept.wanted, kept.is_ready) == (2, None, True)
    assert listing.list_runs(session, batch=batch, before=kept.key, limit=10) == []
    with pytest.raises(NoSuchCoupon):
        listing.get_run(session, "ccr_" + "0" * 26)
