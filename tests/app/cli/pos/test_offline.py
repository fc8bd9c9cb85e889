"""P1, semantics 40: sold without a network, uploaded once, whatever happens on the way."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plaza_client import Captured, Line, Tender
from plaza_client.values import Verdict
from sqlalchemy import text

from app.cli.pos.desk import Desk
from app.cli.pos.journal import LIMIT_BYTES, Journal
from config.embedded import wait_until
from config.settings import PROJECT
from tests.app.cli.pos.conftest import SetUp, Terminal
from tests.clients.python.network import Network
from tests.clients.python.worlds import World
from tests.factories import make_member, new_phone

_AT = datetime.now(UTC) - timedelta(minutes=5)


def _sold(world: World) -> list[str]:
    """Return the numbers of the shop's orders, one for each order."""
    with world.database.transaction(world.district) as session:
        return list(
            session.scalars(
                text('SELECT number FROM "order" WHERE store_id = :store ORDER BY number'),
                {"store": world.shop.till.store.id},
            )
        )


def test_what_was_sold_offline_earns_after_the_upload(till: Terminal, world: World) -> None:
    captured = till("offline", "--line", "64x2:tea:龙井", "--phone", world.phone)
    assert "离线小票 OFFLINE SALE" in captured
    assert world.points() == 0

    said = till("upload")

    assert "已上传 accepted 1，被拒 refused 0" in said
    assert world.points() == 128
    assert "accepted 0" in till("upload")


def test_a_sale_that_is_refused_is_told_and_others_stand(till: Terminal, world: World) -> None:
    stranger = new_phone()
    till("offline", "--line", "10", "--phone", stranger)
    till("offline", "--line", "20", "--phone", world.phone)

    status, said = till.run("upload")
    with world.database.transaction(world.district) as session:
        make_member(session, phone=stranger)
    again = till.json("upload", "--again")

    assert status == 1
    assert "✘ T1-" in said
    assert "Nobody has this phone or card" in said
    assert "已上传 accepted 1，被拒 refused 1" in said
    assert (again["accepted"], again["refused"]) == (1, 0)
    assert [each["status"] for each in till.verdicts()] == [404, 201, 201]
    assert len(_sold(world)) == 2


def test_a_sale_with_a_wrong_value_does_not_keep_the_others_back(
    till: Terminal, world: World
) -> None:
    """A wrong shape is told for the whole upload, and nothing of it is sold."""
    till("offline", "--line", "10")
    till("offline", "--line", "20", "--phone", "12")
    till("offline", "--line", "30", "--phone", world.phone)

    status, done = till.run("upload", "--json")

    assert status == 1
    assert [each["status"] for each in till.verdicts()] == [400, 201, 201]
    assert till.verdicts()[0]["code"] == "validation-failed"
    assert '"accepted": 2, "refused": 1' in done
    assert world.points() == 30


def test_a_till_that_was_killed_in_the_middle_of_an_upload_sells_nothing_twice(
    till: Terminal, world: World
) -> None:
    journal = Journal(Desk(till.profile))
    first = till.json("offline", "--line", "10")
    for count in range(2, 61):
        number = first["number"][:-6] + f"{count:06d}"
        journal.capture(_sale(number))
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", *till.arguments("upload", "--size", "7")],
        cwd=PROJECT,
        env={**os.environ, **till.plaza.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as killed:
        assert wait_until(lambda: len(_sold(world)) > 10, seconds=30)
        killed.kill()
    judged = len(till.verdicts())

    done = till.json("upload", "--size", "7")

    assert judged < 60
    assert (done["accepted"], done["refused"]) == (60 - judged, 0)
    assert len(_sold(world)) == len(set(_sold(world))) == 60
    assert {each["number"] for each in till.verdicts()} == set(_sold(world))


def test_an_upload_whose_answer_was_lost_is_told_the_same_again(
    set_up: SetUp, line: Network, world: World
) -> None:
    till = set_up(line.base_url)
    till("offline", "--line", "10")
    line.faults.extend(["lost", "refused"])

    done = till.json("upload")

    assert [each["status"] for each in done["verdicts"]] == [201]
    assert len(_sold(world)) == 1


def test_a_line_that_a_power_cut_tore_was_never_sold(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "till.json")
    journal = Journal(desk)
    journal.capture(_sale("N1"))
    with desk.beside("sales.jsonl").open("ab") as torn:
        torn.write(b'{"number": "N2", "occ')

    waiting = [sale.number for sale in journal.waiting()]
    journal.capture(_sale("N3"))

    assert waiting == ["N1"]
    assert [sale.number for sale in journal.waiting()] == ["N1", "N3"]
    assert journal.waiting()[0] == _sale("N1")


def test_a_batch_whose_verdicts_are_kept_is_done_with(tmp_path: Path) -> None:
    """The power fails between the two: writing the verdicts down and forgetting the batch."""
    desk = Desk(tmp_path / "till.json")
    journal = Journal(desk)
    for number in ("N1", "N2"):
        journal.capture(_sale(number))
    first = journal.next_batch(size=1, among=["N1", "N2"])
    assert first is not None
    kept = desk.beside("batch.json").read_bytes()
    journal.judge([(first.sales[0], Verdict(status=201))])
    desk.beside("batch.json").write_bytes(kept)

    again = journal.next_batch(size=1, among=[sale.number for sale in journal.waiting()])

    assert again is not None
    assert [sale.number for sale in again.sales] == ["N2"]


def test_a_batch_is_written_down_and_stays_the_same_until_it_is_judged(tmp_path: Path) -> None:
    journal = Journal(Desk(tmp_path / "till.json"))
    for number in ("N1", "N2", "N3"):
        journal.capture(_sale(number))

    first = journal.next_batch(size=2, among=["N1", "N2", "N3"])
    again = Journal(Desk(tmp_path / "till.json")).next_batch(size=500, among=["N3"])

    assert first is not None
    assert [sale.number for sale in first.sales] == ["N1", "N2"]
    assert again == first


def test_a_batch_fits_into_one_request(tmp_path: Path) -> None:
    """Reliability §12: a body has at most 1 MiB."""
    journal = Journal(Desk(tmp_path / "till.json"))
    long = "长" * 120
    for count in range(30):
        journal.capture(_sale(f"N{count}", names=[long] * 200))

    batch = journal.next_batch(size=500, among=[f"N{count}" for count in range(30)])

    assert batch is not None
    assert 1 <= len(batch.sales) < LIMIT_BYTES // (200 * 360) + 1


def test_tenders_have_to_add_up_before_anything_is_kept(till: Terminal) -> None:
    assert "支付合计" in till.refused("offline", "--line", "10", "--pay", "cash=9")
    assert "只给一个" in till.refused("offline", "--line", "1", "--phone", "1", "--code", "2")
    assert not till.beside("sales.jsonl").exists()


def _sale(number: str, *, names: list[str] | None = None) -> Captured:
    lines = [Line(sku="S", name=name, amount_fen=1_000) for name in names or ["茶"]]
    return Captured(
        number=number,
        occurred_at=_AT,
        lines=lines,
        tenders=[Tender(name="cash", fen=1_000 * len(lines))],
        cashier_id="007",
    )
