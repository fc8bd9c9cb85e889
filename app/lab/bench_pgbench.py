"""pgbench of the wheel: its own tpcb-like beside our scripts, on the same server.

Both sides run 8 clients with prepared statements; a run that reports a failed or aborted
transaction counts for nothing.
"""

import os
import re
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from app.errors import StateConflict
from app.lab.bench_books import Size
from config.database import schema_of

SCRIPTS = Path(__file__).parent / "scripts"
TPCB = "bench_tpcb"
CLIENTS = 8
_DIGEST = r"\x" + "00112233445566778899aabbccddeeff" * 2


@dataclass(frozen=True, kw_only=True)
class Pgbench:
    """Where the program is and which servers' roles it uses."""

    binary: Path
    owner_url: str
    app_url: str

    def prepare(self, *, scale: int) -> None:
        """Make the tables of tpcb-like anew, in a schema of their own."""
        self.drop()
        with psycopg.connect(self.owner_url) as connection:
            connection.execute(f"CREATE SCHEMA {TPCB}".encode())
        self._run(self.owner_url, TPCB, ["-i", "-q", "-s", str(scale)])

    def drop(self) -> None:
        """Remove the tables of tpcb-like."""
        with psycopg.connect(self.owner_url) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {TPCB} CASCADE".encode())

    def tpcb_tps(self, *, seconds: float) -> float:
        """Return transactions per second of the built-in tpcb-like."""
        return self._tps(self.owner_url, TPCB, seconds, ["-b", "tpcb-like"])

    def script_tps(self, name: str, *, district: str, size: Size, seconds: float) -> float:
        """Return transactions per second of one of our scripts in a district."""
        given = {"n": 0, "run": time.time_ns(), "digest": _DIGEST, **asdict(size)}
        words = [word for name, value in given.items() for word in ("-D", f"{name}={value}")]
        script = ["-f", str(SCRIPTS / f"{name}.sql")]
        return self._tps(self.app_url, schema_of(district), seconds, [*words, *script])

    def _tps(self, url: str, schema: str, seconds: float, words: list[str]) -> float:
        options = ["-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2"]
        # It knows whole seconds alone: a shorter run is so many transactions of each client.
        length = ["-T", str(round(seconds))] if seconds >= 1 else ["-t", str(round(seconds * 100))]
        said = self._run(url, schema, [*options, *length, *words])
        found = re.search(r"^tps = ([\d.]+)", said, re.MULTILINE)
        if found is None or "number of failed transactions: 0 " not in said:
            raise StateConflict(
                "bench", words[-1], "failed", f"pgbench：{said}", f"pgbench: {said}"
            )
        return float(found[1])

    def _run(self, url: str, schema: str, words: list[str]) -> str:
        known = conninfo_to_dict(url)
        place = {
            "PGHOST": known.get("host"),
            "PGPORT": known.get("port"),
            "PGUSER": known.get("user"),
            "PGPASSWORD": known.get("password"),
            "PGDATABASE": known.get("dbname"),
            "PGOPTIONS": f"-c search_path={schema}",
        }
        environment = {**os.environ, **{k: str(v) for k, v in place.items() if v is not None}}
        done = subprocess.run(
            [str(self.binary), *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()[:3]
            raise StateConflict(
                "bench", words[-1], "failed", f"pgbench：{said}", f"pgbench: {said}"
            )
        return done.stdout
