"""The `.env` file beside the project: settings kept for commands, and random keys made once."""

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from config.embedded import write_private
from config.errors import BadSettings
from config.keeper import locked
from config.keys import KEY_BYTES
from config.settings import KEY_NAMES

_SEALS_NOTHING = "PLAZA_PROOF_KEY"  # Its public half proves what it signed: a new one will do.


def read_dotenv(folder: Path) -> Mapping[str, str]:
    """Return the settings of `<folder>/.env`: lines NAME=VALUE, blank lines and # comments.

    Raises:
        BadSettings: a line is none of these.
    """
    path = folder / ".env"
    if not path.exists():
        return {}
    found: dict[str, str] = {}
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name, separator, value = line.partition("=")
        if separator and name.strip().isidentifier():
            found[name.strip()] = value.strip().strip("\"'")
        elif line.strip() and not line.lstrip().startswith("#"):
            problems.append(f".env:{number}：应为 名称=值 / .env:{number}: must be NAME=VALUE")
    if problems:
        raise BadSettings(problems)
    return found


def ensure_keys(folder: Path, home: Path, *, given: Mapping[str, str]) -> Mapping[str, str]:
    """Return the secret keys of an installation, made at random into `.env` where none are.

    A repeat changes nothing; two commands at once make one set. Where data exists the keys that
    sealed it are not replaced.

    Raises:
        BadSettings: keys are missing although there is data that they sealed.
    """
    with locked(home / "env.lock"):
        known = {**read_dotenv(folder), **given}
        missing = [name for name in KEY_NAMES if not known.get(name)]
        lost = [name for name in missing if name != _SEALS_NOTHING]
        if lost and (home / "postgres" / "data").exists():
            raise BadSettings(
                [
                    f"{name}：数据已用它加密，请从备份恢复 .env / "
                    f"{name}: data was sealed with it; restore .env from a backup"
                    for name in lost
                ]
            )
        made = {name: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() for name in missing}
        if made:
            path = folder / ".env"
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            if text and not text.endswith("\n"):
                text += "\n"
            write_private(path, text + "".join(f"{name}={key}\n" for name, key in made.items()))
            os.chmod(path, 0o600)
    return {name: known.get(name) or made[name] for name in KEY_NAMES}
