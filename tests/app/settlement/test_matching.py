"""L10: what of our day stands in the bill; the breaks are exactly what the sums differ by."""

from hypothesis import given
from hypothesis import strategies as st

from app.settlement.bill_files import Way
from app.settlement.matching import BreakKind, Ours, Theirs, match


def took(id_: int, fen: int, *, number: str | None = None) -> Ours:
    return Ours(
        id=id_,
        way=Way.PAYMENT,
        names=frozenset({f"ord_{id_}", number or f"N{id_}"}),
        order_names=frozenset(),
        fen=fen,
    )


def gave(id_: int, fen: int, *, order: int = 1) -> Ours:
    return Ours(
        id=id_,
        way=Way.REFUND,
        names=frozenset({f"ref_{id_}", f"R{id_}"}),
        order_names=frozenset({f"ord_{order}", f"N{order}"}),
        fen=fen,
    )


def paid(id_: int, fen: int, order: str) -> Theirs:
    return Theirs(id=id_, way=Way.PAYMENT, order_number=order, refund_number="", fen=fen)


def sent_back(id_: int, fen: int, order: str, number: str) -> Theirs:
    return Theirs(id=id_, way=Way.REFUND, order_number=order, refund_number=number, fen=fen)


def kinds(ours: list[Ours], theirs: list[Theirs]) -> list[tuple[BreakKind, int]]:
    return [(each.kind, each.fen) for each in match(ours, theirs)]


def test_a_day_that_agrees_has_no_breaks() -> None:
    ours = [took(1, 100), took(2, 200), gave(1, 30)]
    theirs = [paid(9, 200, "N2"), paid(8, 100, "ord_1"), sent_back(7, 30, "ord_1", "ref_1")]

    assert match(ours, theirs) == []


def test_each_kind_of_break_is_told() -> None:
    assert kinds([took(1, 100)], []) == [(BreakKind.MISSING_AT_GATEWAY, 100)]
    assert kinds([], [paid(1, 100, "ord_1")]) == [(BreakKind.MISSING_HERE, -100)]
    assert kinds([took(1, 100)], [paid(1, 90, "ord_1")]) == [(BreakKind.AMOUNT_DIFFERS, 10)]
    assert kinds([gave(1, 30)], []) == [(BreakKind.REFUND_MISSING_AT_GATEWAY, -30)]
    assert kinds([], [sent_back(1, 30, "x", "y")]) == [(BreakKind.REFUND_MISSING_HERE, 30)]
    twice = [paid(1, 100, "ord_1"), paid(2, 100, "ord_1")]
    assert kinds([took(1, 100)], twice) == [(BreakKind.DUPLICATE, -100)]
    again = [sent_back(1, 30, "ord_1", "R1"), sent_back(2, 30, "ord_1", "R1")]
    assert kinds([gave(1, 30)], again) == [(BreakKind.DUPLICATE, 30)]


def test_a_row_of_another_day_is_the_wrong_day_on_both() -> None:
    mine, row = took(1, 100), paid(1, 100, "ord_1")

    today = match([mine], [], theirs_elsewhere=[row])
    tomorrow = match([], [row], ours_elsewhere=[mine])

    assert [(each.kind, each.fen) for each in today] == [(BreakKind.WRONG_DAY, 100)]
    assert [(each.kind, each.fen) for each in tomorrow] == [(BreakKind.WRONG_DAY, -100)]


def test_the_same_number_of_two_tills_is_told_apart_by_amount() -> None:
    ours = [took(1, 100, number="7"), took(2, 250, number="7")]

    assert match(ours, [paid(1, 250, "7"), paid(2, 100, "7")]) == []
    assert kinds(ours, [paid(1, 250, "7")]) == [(BreakKind.MISSING_AT_GATEWAY, 100)]


def test_a_refund_made_at_the_gateway_is_known_by_its_order_and_amount() -> None:
    assert match([gave(1, 30, order=4)], [sent_back(1, 30, "ord_4", "by-hand")]) == []
    assert kinds([gave(1, 30, order=4)], [sent_back(1, 20, "ord_4", "by-hand")]) == [
        (BreakKind.REFUND_MISSING_AT_GATEWAY, -30),
        (BreakKind.REFUND_MISSING_HERE, 20),
    ]


_FEN = st.integers(1, 5)
_NUMBERS = st.sampled_from(["1", "2", "3"])
OURS = st.lists(st.tuples(st.booleans(), _FEN, _NUMBERS), max_size=8)
THEIRS = st.lists(st.tuples(st.booleans(), _FEN, _NUMBERS, _NUMBERS), max_size=8)
_Mine = list[tuple[bool, int, str]]
_Rows = list[tuple[bool, int, str, str]]


def _ours(drawn: _Mine, start: int) -> list[Ours]:
    return [
        Ours(
            id=start + n,
            way=Way.REFUND if back else Way.PAYMENT,
            names=frozenset({f"id{start + n}", number}),
            order_names=frozenset({number} if back else ()),
            fen=fen,
        )
        for n, (back, fen, number) in enumerate(drawn)
    ]


def _theirs(drawn: _Rows, start: int) -> list[Theirs]:
    return [
        Theirs(
            id=start + n,
            way=Way.REFUND if back else Way.PAYMENT,
            order_number=order,
            refund_number=refund if back else "",
            fen=fen,
        )
        for n, (back, fen, order, refund) in enumerate(drawn)
    ]


@given(ours=OURS, theirs=THEIRS, others=OURS, rows=THEIRS)
def test_the_breaks_are_exactly_what_the_sums_differ_by(
    ours: _Mine, theirs: _Rows, others: _Mine, rows: _Rows
) -> None:
    """L10: tills = bill + breaks, to the fen, whatever is missing, twice or elsewhere."""
    mine, row = _ours(ours, 0), _theirs(theirs, 0)

    found = match(mine, row, ours_elsewhere=_ours(others, 100), theirs_elsewhere=_theirs(rows, 100))

    assert sum(each.way.signed(each.fen) for each in mine) == (
        sum(each.way.signed(each.fen) for each in row) + sum(each.fen for each in found)
    )
    assert all(each.fen for each in found)
    keys = [
        (each.kind, each.ours and (each.ours.way, each.ours.id), each.theirs and each.theirs.id)
        for each in found
    ]
    assert len(set(keys)) == len(keys)
