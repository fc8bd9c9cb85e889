"""Settings: typed, documented, and every mistake told at once in two languages (E23)."""

import base64
import re
from pathlib import Path

import pytest

from config.dotenv import ensure_keys, read_dotenv
from config.errors import BadSettings
from config.settings import KEY_NAMES, PROJECT, Settings, parse_key, setting_names


def _key(seed: int) -> str:
    return base64.b64encode(bytes((seed + 7 * n) % 251 for n in range(32))).decode()


GOOD = {
    "PLAZA_DATABASE_URL": "postgresql://plaza_app:s3cret@127.0.0.1:5432/plaza",
    "PLAZA_OWNER_DATABASE_URL": "postgresql://plaza_owner:s3cret@127.0.0.1:5432/plaza",
    "PLAZA_REDIS_URL": "redis://:s3cret@127.0.0.1:6379",
    "PLAZA_MASTER_KEY": _key(1),
    "PLAZA_INDEX_KEY": _key(2),
    "PLAZA_TOKEN_KEY": _key(3),
    "PLAZA_PROOF_KEY": _key(4),
}


def test_defaults_are_for_one_small_machine() -> None:
    settings = Settings.from_environ(GOOD)

    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 8000)
    assert (settings.web.workers, settings.web.threads, settings.worker_processes) == (2, 8, 2)
    assert settings.connections == 20
    assert settings.broker_url == "redis://:s3cret@127.0.0.1:6379/1"


def test_all_that_is_missing_is_told_at_once_in_both_languages() -> None:
    with pytest.raises(BadSettings) as caught:
        Settings.from_environ({})

    assert [problem.split("：")[0] for problem in caught.value.problems] == list(GOOD)
    assert all("未设置" in text and "is not set" in text for text in caught.value.problems)


def test_malformed_and_unknown_settings_join_the_same_list() -> None:
    wrong = {
        "PLAZA_PORT": "80000",
        "PLAZA_THREADS": "many",
        "PLAZA_LOG_LEVEL": "loud",
        "PLAZA_REDIS_URL": "http://127.0.0.1",
        "PROMETHEUS_MULTIPROC_DIR": "relative",
        "PLAZA_PROOF_RETIRED": "not a key",
        "PLAZA_PROT": "8001",
    }

    with pytest.raises(BadSettings) as caught:
        Settings.from_environ({**GOOD, **wrong})

    assert {problem.split("：")[0] for problem in caught.value.problems} == set(wrong)


def test_settings_of_tests_are_not_unknown() -> None:
    assert Settings.from_environ({**GOOD, "PLAZA_TEST_PG": "16", "HOME": "/"}).log_level == "INFO"


@pytest.mark.parametrize(
    "key",
    [
        "c2hvcnQ=",
        "not base64!",
        base64.b64encode(bytes(32)).decode(),
        base64.b64encode(b"ab" * 16).decode(),
        base64.b64encode(bytes(range(32))).decode(),
        base64.b64encode(bytes(range(32, 64))).decode(),
        base64.b64encode(b"0123456789abcdef" * 2).decode(),
    ],
)
def test_a_weak_key_stops_the_start(key: str) -> None:
    with pytest.raises(BadSettings, match="PLAZA_TOKEN_KEY"):
        Settings.from_environ({**GOOD, "PLAZA_TOKEN_KEY": key})


def test_one_key_for_two_uses_is_refused() -> None:
    with pytest.raises(BadSettings, match="must differ"):
        Settings.from_environ({**GOOD, "PLAZA_INDEX_KEY": GOOD["PLAZA_MASTER_KEY"]})


def test_no_secret_shows_in_the_repr() -> None:
    shown = repr(Settings.from_environ(GOOD))

    assert "s3cret" not in shown
    assert "master=" not in shown


def test_the_example_file_names_every_setting_and_no_other() -> None:
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")

    assert sorted(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE)) == sorted(setting_names())


def test_keys_are_made_once_into_a_private_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nPLAZA_PORT=8001")

    first = ensure_keys(tmp_path, tmp_path, given={})
    second = ensure_keys(tmp_path, tmp_path, given={})

    assert first == second
    assert len({parse_key(first[name]) for name in KEY_NAMES}) == 4
    assert read_dotenv(tmp_path) == {"PLAZA_PORT": "8001", **first}
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_keys_of_existing_data_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)

    with pytest.raises(BadSettings, match=r"恢复 \.env.*restore \.env"):
        ensure_keys(tmp_path, tmp_path, given={})

    assert not (tmp_path / ".env").exists()


def test_the_key_that_signs_proofs_can_be_made_where_data_is_already(tmp_path: Path) -> None:
    """L11: it seals no data, and what it signed is proven by its public half."""
    first = ensure_keys(tmp_path, tmp_path, given={})
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    kept = [f"{name}={first[name]}" for name in KEY_NAMES if name != "PLAZA_PROOF_KEY"]
    (tmp_path / ".env").write_text("\n".join(kept))

    second = ensure_keys(tmp_path, tmp_path, given={})

    changed = [name for name in KEY_NAMES if first[name] != second[name]]
    assert changed == ["PLAZA_PROOF_KEY"]


def test_public_keys_of_earlier_proof_keys_are_read_from_hex() -> None:
    settings = Settings.from_environ({**GOOD, "PLAZA_PROOF_RETIRED": f"{'0a' * 32}, {'1b' * 32}"})

    assert settings.retired_proof_keys == (b"\x0a" * 32, b"\x1b" * 32)


def test_a_torn_line_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLAZA_PORT=8001\nPLAZA_PORT 8001\n")

    with pytest.raises(BadSettings, match=r"\.env:2"):
        read_dotenv(tmp_path)
