"""`plaza district export` and `import`: a district in one file, the same books elsewhere.

A transaction id means nothing in another cluster (decision on horizons): the file carries none, and
the import folds every transfer into its balances and starts the horizons anew. So nothing need be
rolled up first, and a district whose writes are stopped can be exported too. Personal data moves
sealed; the keys move apart from it. The file's revision is the district's own, not the program's.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click
import psycopg
from psycopg import sql
from sqlalchemy import Connection, Table, create_engine, text
from sqlalchemy.orm import Session

from app.cli.context import Command, pass_command
from app.lab.digest import digest
from config.errors import ConfigError, UnknownDistrict
from ledger import proofs, upkeep
from migrations import run
from migrations.models import metadata

FORMAT = 1
#: What a copy makes for itself: what the auditor has proved, which scripts were applied.
LEFT_OUT = ("audit_mark", "repeatable")
_COLUMNS_LEFT_OUT = {("book", "rolled_to"), ("book", "audited_to"), ("book", "audited_at")}
_FROZEN = "3"  # The oldest id there is: below every horizon.


class BadExport(ConfigError):
    """The file is torn, or was made by another version of the product."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"导出文件不可用：{zh} / This export cannot be used: {en}")


@click.command("export")
@click.argument("district")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@pass_command
def export_district(command: Command, *, district: str, file: Path) -> None:
    """把商圈导出为一个文件 / write a district into one file: all its books and rooms."""
    partial = file.with_suffix(file.suffix + ".part")
    try:
        with _owner(command) as connection, tarfile.open(partial, "w") as archive:
            manifest = _write(connection, district, archive)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    click.echo(f"✔ {district} → {file} · {manifest['digest']}")


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--as", "district", metavar="ID", help="新商圈编号，缺省同原编号 / its new id.")
@pass_command
def import_district(command: Command, *, file: Path, district: str | None) -> None:
    """从文件导入商圈，核对账目与摘要 / read a district; its books and digest are checked."""
    try:
        with tarfile.open(file) as archive:
            manifest = json.loads(_read(archive, "manifest.json"))
            _check(manifest)
            wanted = district or manifest["id"]
            run.create_district(
                command.settings().database.owner_url,
                wanted,
                name=manifest["name"],
                sandbox=manifest["sandbox"],
                fill=lambda connection: _fill(connection, archive, manifest),
            )
    except (tarfile.TarError, KeyError, ValueError, EOFError) as error:
        raise BadExport(f"文件损坏（{error}）", f"the file is torn ({error})") from error
    click.echo(f"✔ {file} → {wanted} · {manifest['digest']}")


def _write(connection: Connection, district: str, archive: tarfile.TarFile) -> dict[str, Any]:
    found = connection.execute(
        text("SELECT schema, name, sandbox, clock FROM public.district WHERE id = :id"),
        {"id": district},
    ).one_or_none()
    if found is None:
        raise UnknownDistrict(district)
    connection.execute(
        text("SELECT set_config('search_path', :path, true)"), {"path": found.schema}
    )
    tables = {}
    for table in _tables():
        data = _copy_out(connection, table)
        _add(archive, f"{table.name}.copy", data)
        tables[table.name] = hashlib.sha256(data).hexdigest()
    with Session(connection) as session:
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "id": district,
            "name": found.name,
            "sandbox": found.sandbox,
            "clock": found.clock and found.clock.isoformat(),
            "revision": connection.scalar(text("SELECT version_num FROM alembic_version")),
            "tables": tables,
            "account_number": connection.scalar(text("SELECT last_value FROM account_number")),
            "months": [str(day) for day in connection.execute(_MONTHS).one() if day],
            "digest": digest(session),
        }
    _add(archive, "manifest.json", json.dumps(manifest, ensure_ascii=False).encode())
    return manifest


def _fill(connection: Connection, archive: tarfile.TarFile, manifest: dict[str, Any]) -> None:
    """Load the tables into a schema just made, fold the balances, audit, compare the digest."""
    for table in reversed(_tables()):
        connection.execute(table.delete())
    if manifest["months"]:
        connection.execute(
            text("SELECT ledger_make_partitions(:start, :through)"),
            dict(zip(("start", "through"), manifest["months"], strict=True)),
        )
    for table in _tables():
        _load(connection, table, archive, manifest)
    connection.execute(
        text("SELECT setval('account_number', :n)"), {"n": manifest["account_number"]}
    )
    connection.execute(_CLOCK, {"clock": manifest["clock"]})
    for statement in _FOLD:
        connection.execute(text(statement))
    with Session(connection) as session:
        violations = [*upkeep.audit_all(session), *proofs.audit(session)]
        if violations:
            raise BadExport(
                f"账目有误（{violations[0]}）", f"the books are broken ({violations[0]})"
            )
        if digest(session) != manifest["digest"]:
            raise BadExport("摘要不符", "the digest differs")


def _load(
    connection: Connection, table: Table, archive: tarfile.TarFile, manifest: dict[str, Any]
) -> None:
    data = _read(archive, f"{table.name}.copy")
    if hashlib.sha256(data).hexdigest() != manifest["tables"][table.name]:
        raise BadExport(f"表 {table.name} 损坏", f"table {table.name} is torn")
    _copy_in(connection, table, data)
    if "id" in table.c:
        connection.execute(text(_NEXT.format(table=f'"{table.name}"')))


def _check(manifest: dict[str, Any]) -> None:
    if manifest["format"] != FORMAT or manifest["revision"] != run.head_revision():
        raise BadExport(
            f"版本为 {manifest['revision']}，本程序为 {run.head_revision()}；请先迁移再导出",
            f"made at revision {manifest['revision']}, this is {run.head_revision()}: "
            "migrate, then export again",
        )


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]


def _columns(table: Table) -> list[str]:
    return [
        column.name
        for column in table.columns
        if column.computed is None and (table.name, column.name) not in _COLUMNS_LEFT_OUT
    ]


def _copy_out(connection: Connection, table: Table) -> bytes:
    chosen = [
        sql.SQL(_FROZEN) if name == "xid" else sql.Identifier(name) for name in _columns(table)
    ]
    query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(
        sql.SQL(", ").join(chosen),
        sql.Identifier(table.name),
        sql.SQL(", ").join(sql.Identifier(key.name) for key in table.primary_key),
    )
    data = io.BytesIO()
    with _raw(connection).cursor() as cursor, cursor.copy(query) as copy:
        for block in copy:
            data.write(block)
    return data.getvalue()


def _copy_in(connection: Connection, table: Table, data: bytes) -> None:
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name),
        sql.SQL(", ").join(sql.Identifier(name) for name in _columns(table)),
    )
    try:
        with _raw(connection).cursor() as cursor, cursor.copy(query) as copy:
            copy.write(data)
    except psycopg.DataError as error:
        raise BadExport(f"表 {table.name} 损坏", f"table {table.name} is torn") from error


def _raw(connection: Connection) -> "psycopg.Connection[Any]":
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member.read()


@contextmanager
def _owner(command: Command) -> Iterator[Connection]:
    """One snapshot of everything, as the owner."""
    url = command.settings().database.owner_url
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            yield connection
    finally:
        engine.dispose()


_MONTHS = text("SELECT min(booked_on), max(booked_on) FROM transfer")
_NEXT = """
SELECT setval(s.sequence, greatest((SELECT max(id) FROM {table}), 1))
FROM (SELECT pg_get_serial_sequence('{table}', 'id') AS sequence) s WHERE s.sequence IS NOT NULL
"""
_CLOCK = text("UPDATE public.district SET clock = :clock WHERE schema = current_schema()")
_FOLD = (
    """
    UPDATE account_balance b SET posted = s.amount, version = s.times
    FROM (
        SELECT side.account_id, sum(side.amount) AS amount, count(*) AS times
        FROM transfer t,
        LATERAL (VALUES (t.debit_id, -t.amount), (t.credit_id, t.amount))
            AS side (account_id, amount)
        WHERE side.account_id & 8 = 0 GROUP BY side.account_id) s
    WHERE b.account_id = s.account_id
    """,
    "UPDATE book SET rolled_to = pg_snapshot_xmin(pg_current_snapshot()), "
    "audited_to = pg_snapshot_xmin(pg_current_snapshot())",
    "INSERT INTO audit_mark SELECT account_id, posted, version FROM account_balance "
    "WHERE account_id & 8 = 8",
)
