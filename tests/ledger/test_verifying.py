"""The verifier: fixed vectors, trees against the definition, files with anything wrong (L11)."""

import base64
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from config.settings import PROJECT
from ledger import verifying
from ledger.verifying import BadProof, Verdict

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
#: RFC 8032's arithmetic on the secret bytes 0, 1, … 31; computed apart with another library.
PUBLIC = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
KEYS = verifying.trusted([PUBLIC])
NAMES = ("key", "line", "kind", "occurred_at", "recorded_at", "booked_on", "debit", "credit",
         "unit", "amount", "details")  # fmt: skip


def entry(number: int, *, day: str = "2017-03-05") -> dict[str, object]:
    at = f"{day}T04:00:00"
    values = (f"ord_{number}:earn", 1, "earn", at, at, day, "issued:M1", f"lot:龙井{number}",
              "points", 10 + number, "")  # fmt: skip
    return dict(zip(NAMES, values, strict=True))


def leaf(of: dict[str, object]) -> bytes:
    return hashlib.sha256(b"\x00" + verifying.written(of)).digest()


def signed(record: dict[str, object], *, key: Ed25519PrivateKey = SECRET) -> dict[str, object]:
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = key.sign(b"\x02" + verifying.written(record))
    return {
        "record": record,
        "key": verifying.key_id(public),
        "signature": base64.b64encode(signature).decode(),
    }


def record(
    entries: Sequence[dict[str, object]], *, day: str = "2017-03-05", before: Sequence[bytes] = ()
) -> dict[str, object]:
    return {
        "district": "demo",
        "day": day,
        "number": len(before),
        "transfers": len(entries),
        "points": sum(int(str(each["amount"])) for each in entries),
        "fen": 0,
        "root": verifying.root_of(map(leaf, entries)).hex(),
        "previous": before[-1].hex() if before else "0" * 64,
        "history": verifying.root_of(before).hex(),
    }


def day_file(count: int, *, key: Ed25519PrivateKey = SECRET) -> bytes:
    return day_of([entry(number) for number in range(count)], key=key)


def day_of(entries: Sequence[dict[str, object]], *, key: Ed25519PrivateKey = SECRET) -> bytes:
    lines = [verifying.written({"plaza": "day", **signed(record(entries), key=key)})]
    for number, each in enumerate(entries):
        lines.append(f"{number} {leaf(each).hex()} ".encode() + verifying.written(each))
    return b"".join(line + b"\n" for line in lines)


def transfer_file(count: int, index: int) -> bytes:
    entries = [entry(number) for number in range(count)]
    path = b"".join(verifying.path_of([leaf(each) for each in entries], index))
    proof = {
        "plaza": "transfer",
        "entry": index,
        "transfer": entries[index],
        "path": base64.b64encode(path).decode(),
        **signed(record(entries)),
    }
    return verifying.written(proof) + b"\n"


def days_file(earlier: int, later: int) -> bytes:
    records: list[dict[str, object]] = []
    hashes: list[bytes] = []
    for number in range(later + 1):
        day = f"2017-{number // 28 + 1:02}-{number % 28 + 1:02}"
        records.append(record([], day=day, before=hashes))
        hashes.append(verifying.record_hash(verifying.written(records[-1])))
    path = b"".join(verifying.path_of(hashes[:later], earlier))
    proof = {
        "plaza": "days",
        "path": base64.b64encode(path).decode(),
        "earlier": signed(records[earlier]),
        "later": signed(records[later]),
    }
    return verifying.written(proof) + b"\n"


def check(data: bytes) -> Verdict:
    return verifying.verify(io.BytesIO(data), KEYS)


def refused(data: bytes) -> str:
    with pytest.raises(BadProof) as caught:
        check(data)
    return caught.value.place


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1 as it is written there: split at the largest power of two below."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = defined_root(leaves[:split]), defined_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


LEAVES = [hashlib.sha256(b"\x00" + bytes([n])).digest() for n in range(100)]


def test_the_hashes_of_known_leaves_are_known() -> None:
    """Computed by hand with sha256sum, as docs/proofs.md shows it."""
    assert verifying.EMPTY.hex() == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert LEAVES[0].hex() == "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
    assert verifying.root_of(LEAVES[:3]).hex() == (
        "3b6cccd7e3e023ff393006f030315ee7ad9eb111b022b41fba7e5b7a3973f688"
    )


@given(count=st.integers(0, 100))
def test_a_root_is_that_of_the_definition(count: int) -> None:
    """RFC 6962 §2.1"""
    assert verifying.root_of(LEAVES[:count]) == defined_root(LEAVES[:count])


@given(data=st.data(), size=st.integers(1, 100))
def test_a_path_leads_to_the_root_and_to_what_stood_before(data: st.DataObject, size: int) -> None:
    """RFC 6962 §2.1.1; the hashes from the left are the tree before the leaf."""
    index = data.draw(st.integers(0, size - 1))
    path = verifying.path_of(LEAVES[:size], index)

    root, before = verifying.climb(LEAVES[index], index=index, size=size, path=path)

    assert root == defined_root(LEAVES[:size])
    assert before == defined_root(LEAVES[:index])
    with pytest.raises(ValueError, match="too"):
        verifying.climb(LEAVES[index], index=index, size=size, path=[*path, LEAVES[0]])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 50])
def test_a_day_verifies(count: int) -> None:
    verdict = check(day_file(count))

    assert (verdict.kind, verdict.entries, verdict.key) == ("day", count, "56475aa75463474c")


@pytest.mark.parametrize(("count", "index"), [(1, 0), (5, 4), (8, 3), (50, 48)])
def test_a_transfer_verifies(count: int, index: int) -> None:
    assert check(transfer_file(count, index)).kind == "transfer"


@pytest.mark.parametrize(("earlier", "later"), [(0, 1), (0, 60), (5, 6), (6, 60), (59, 60)])
def test_a_later_day_stands_on_an_earlier_one(earlier: int, later: int) -> None:
    verdict = check(days_file(earlier, later))

    assert (verdict.kind, verdict.entries) == ("days", later - earlier)


@pytest.mark.parametrize(
    "data", [day_file(3), transfer_file(5, 2), days_file(2, 5)], ids=["day", "transfer", "days"]
)
def test_every_single_byte_that_is_changed_is_found(data: bytes) -> None:
    """L11: no byte of a file is free, whichever bits of it change."""
    for at in range(len(data)):
        for bits in (0x01, 0x20, 0x80):
            changed = bytearray(data)
            changed[at] ^= bits
            with pytest.raises(BadProof):
                check(bytes(changed))


@given(names=st.lists(st.text(max_size=8), min_size=1, max_size=4), data=st.data())
def test_whatever_the_names_a_day_verifies_and_no_byte_of_it_is_free(
    names: list[str], data: st.DataObject
) -> None:
    """L11: what needs escaping is read in another way, and as strictly."""
    file = day_of([{**entry(n), "debit": name, "key": name} for n, name in enumerate(names)])
    changed = bytearray(file)
    changed[data.draw(st.integers(0, len(file) - 1))] ^= data.draw(st.integers(1, 255))

    assert check(file).entries == len(names)
    assert refused(bytes(changed))


def test_the_first_bad_entry_of_a_long_day_is_named() -> None:
    """L11: a day is read in pieces; what is wrong in one is told by its line."""
    head, *lines = day_file(3_000).splitlines(keepends=True)
    bad = lines[2_345].replace(b"earn", b"burn")
    escaped = day_of([{**entry(n), "credit": '"' if n == 2_000 else "x"} for n in range(3_000)])

    assert check(head + b"".join(lines)).entries == 3_000
    assert check(escaped).entries == 3_000
    assert refused(head + b"".join([*lines[:2_345], bad, *lines[2_346:]])) == "entry 2345"
    assert refused(head + b"".join([*lines[:2_345], *lines[2_346:]])) == "entry 2345"
    assert refused(head + b"".join([*lines[:2_345], lines[2_345] * 2, *lines[2_346:]])) == (
        "entry 2346"
    )
    assert refused(head + b"".join(lines)[:-1]) == "entry 2999"
    assert refused(head + b"".join(lines[:-1])) == "entry 2999"
    assert refused(head + b"".join(lines) + lines[0]) == "entry 3000"


def test_the_first_bad_entry_is_named() -> None:
    data = day_file(4)
    lines = data.splitlines(keepends=True)
    header, zero, one, two, three = lines
    other = day_file(3).splitlines(keepends=True)

    assert refused(header + zero + one.replace(b"earn", b"burn") + two + three) == "entry 1"
    assert refused(header + zero + two + one + three) == "entry 1"
    assert refused(header + zero + zero + one + two + three) == "entry 1"
    assert refused(header + zero + one + two) == "entry 3"
    assert refused(data[:-1]) == "entry 3"
    assert refused(data + three) == "entry 4"
    assert refused(data + data) == "entry 4"
    assert refused(data + b"\n") == "entry 4"
    assert refused(other[0] + zero + one + two + three) == "entry 3"


def test_an_entry_that_was_made_anew_with_its_hash_is_found_at_the_root() -> None:
    lines = day_file(3).splitlines(keepends=True)
    forged = {**entry(1), "amount": 999_999}
    lines[2] = f"1 {leaf(forged).hex()} ".encode() + verifying.written(forged) + b"\n"

    assert refused(b"".join(lines)) == "root"


def test_sums_that_do_not_belong_to_the_entries_are_found() -> None:
    entries = [entry(0)]
    wrong = {**record(entries), "points": 11}
    header = verifying.written({"plaza": "day", **signed(wrong)})
    line = f"0 {leaf(entries[0]).hex()} ".encode() + verifying.written(entries[0])

    assert refused(header + b"\n" + line + b"\n") == "totals"


def test_a_file_is_believed_under_a_trusted_key_alone() -> None:
    """Whoever forges a file signs it too."""
    forger = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))

    assert refused(day_file(2, key=forger)) == "record"
    with pytest.raises(BadProof):
        verifying.verify(io.BytesIO(day_file(2)), {})


def test_days_in_the_wrong_order_prove_nothing() -> None:
    good = json.loads(days_file(2, 5))
    turned = {**good, "earlier": good["later"], "later": good["earlier"]}

    assert refused(verifying.written(turned)) == "days"


def test_a_rewritten_past_is_found() -> None:
    """The later day knows the earlier one, but not with this history."""
    good = json.loads(days_file(2, 5))
    earlier = {**good["earlier"]["record"], "history": "0" * 64}
    forged = {**good, "earlier": signed(earlier)}

    assert refused(verifying.written(forged)) == "path"


@given(st.binary(max_size=300))
def test_garbage_is_refused_in_words(data: bytes) -> None:
    assert refused(data)


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=4)
                    | st.dictionaries(st.sampled_from(["plaza", "record", "key", "signature"]),
                                      inner)))  # fmt: skip
def test_any_json_is_refused_in_words(value: object) -> None:
    assert refused(json.dumps(value).encode())
    assert refused(json.dumps({"plaza": "day", "record": value, "key": "", "signature": ""},
                              separators=(",", ":")).encode())  # fmt: skip


def test_deep_and_endless_lines_are_refused_in_words() -> None:
    assert refused(b"[" * 200_000)
    assert refused(b"x" * (2 << 20))
    assert refused(day_file(1).replace(b'"amount":10', b'"amount":1' + b"0" * 5_000))


def test_it_runs_alone_in_a_folder_of_its_own(tmp_path: object) -> None:
    """L11: nothing of ours beside it, and not our folder in its path."""
    folder = PROJECT / "ledger/verifying.py"
    alone = str(tmp_path) + "/plaza_verify.py"
    file, pinned = str(tmp_path) + "/day.proof", str(tmp_path) + "/keys.txt"
    with open(alone, "wb") as copy:
        copy.write(folder.read_bytes())
    with open(file, "wb") as out:
        out.write(day_file(3))
    with open(pinned, "w") as out_keys:
        out_keys.write(f"# the district's\n{PUBLIC}  # 2017\n")

    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run([sys.executable, "-I", alone, *words], capture_output=True, text=True,
                              check=False, cwd=str(tmp_path))  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    good = run("--public-key", PUBLIC, file)
    by_file = run("--public-key", pinned, file)
    untrusted = run("--public-key", "00" * 32, file)
    no_key = run(file)
    no_file = run("--public-key", PUBLIC, file + "x")

    assert good[0] == by_file[0] == 0
    assert good[1].startswith("✔ 3 · 2017-03-05")
    assert (untrusted[0], no_key[0], no_file[0]) == (1, 2, 1)
    assert "not trusted" in untrusted[2]
    assert "Traceback" not in untrusted[2] + no_key[2] + no_file[2]
