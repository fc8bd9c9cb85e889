"""Where things may stand: tables and their keys, names of modules, length of functions, rights."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

import migrations.models
from config.database import Base
from config.settings import PROJECT

FLOORS = ("app", "config", "coupons", "integrations", "ledger", "migrations")
DRAWERS = {"service", "services", "utils", "util", "helpers", "helper", "common", "misc",
           "repository", "manager"}  # fmt: skip

#: Rooms that own tables, from the ground up; a foreign key points down or stays at home.
ROOMS = (
    ("ledger",),
    ("coupons",),
    ("app.outbox", "app.audit", "app.approvals"),
    ("app.policies",),
    ("app.sealing",),
    ("app.merchants",),
    ("app.members",),
    ("app.points",),
    ("app.campaigns",),
    ("app.checkout",),
    ("app.settlement",),
    ("app.day_change",),
    ("app.api",),
)

#: Who may read the environment: what starts a process, a server, or a program beside them.
READERS_OF_THE_ENVIRONMENT = {
    "wsgi.py",
    "app/cli/context.py",
    "app/lab/bench_pgbench.py",
    "app/lab/hello.py",
    "app/tasks.py",
    "config/embedded.py",
    "config/gunicorn.py",
    "config/servers.py",
}


def test_no_module_is_a_drawer() -> None:
    assert [str(path) for path, _ in _modules() if path.stem in DRAWERS] == []


def test_a_function_fits_a_screen() -> None:
    long = {
        f"{path.relative_to(PROJECT)}:{node.name}": lines
        for path, tree in _modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := _body_lines(node)) > 50
    }

    assert long == {}


def test_only_doors_and_servers_read_the_environment() -> None:
    readers = {
        str(path.relative_to(PROJECT))
        for path in [PROJECT / "wsgi.py", *[path for path, _ in _modules()]]
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text(encoding="utf-8"))
    }

    assert readers <= READERS_OF_THE_ENVIRONMENT


def test_every_table_belongs_to_a_room() -> None:
    owners = _owners()

    assert set(owners) == set(migrations.models.metadata.tables)


def test_foreign_keys_point_where_imports_may_point() -> None:
    owners = _owners()
    level = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
    upward = [
        f"{table.name} -> {key.column.table.name}"
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if owners[table.name] != owners[key.column.table.name]
        and level[owners[table.name]] <= level[owners[key.column.table.name]]
    ]

    assert upward == []


def test_functions_with_the_owners_rights_fix_their_search_path(session: Session) -> None:
    """decisions 5: no caller can lead them to tables of his own."""
    loose = session.scalars(
        text(
            "SELECT proname FROM pg_proc WHERE pronamespace = current_schema::regnamespace"
            " AND prosecdef AND NOT EXISTS (SELECT FROM unnest(proconfig) c"
            " WHERE c LIKE 'search_path=%' || current_schema || '%')"
        )
    ).all()

    assert loose == []


CHANGEABLE = {
    "burn": {"captured_fen", "captured_points", "ended_at", "order_id", "state"},
    "burn_confirmation": {"confirmed_at", "used_at"},
    "cashier": {"status"},
    "cashier_member": {"member_id"},
    "change_request": {"decided_at", "decided_by", "status"},
    "closing": {"done_at", "undone_at"},
    "code_seed": {"ended_at", "ended_why"},
    "coupon_batch": {"closed_at", "closed_why"},
    "coupon_code_run": {"voided_at", "voided_why"},
    "coupon_template": {"retired_at"},
    "data_export": {"fetched_at"},
    "device_session": {"ended_at", "ended_why"},
    "mall_item": {"ended_at", "ended_why"},
    "member": {"birthday", "card_number", "data_key", "key_version", "kind", "merged_into_id",
               "name", "phone", "phone_index", "status", "tier", "tier_until"},
    "membership": {"consent_version", "consented_at"},
    "merchant": {"name_en", "name_zh", "status"},
    "merchant_exit": {"cancel_request_id", "cancelled_at"},
    "merge": {"undone_at", "undone_by"},
    "order": {"earned_points", "earnings", "homes", "member_id", "money", "parts", "refunded_fen",
              "refunds", "rolled_back_fen", "slices", "state", "until", "updated_at"},
    "order_line": {"burned_fen", "earned_points", "refunded_fen", "refunded_quantity"},
    "outbox": {"attempts", "ended_at", "lease_until", "next_attempt_at", "state"},
    "parked_refund": {"applied_at", "refusal", "refused_at"},
    "pay_gift": {"ended_at", "ended_why"},
    "recon_break": {"closed_at", "closed_by", "gone_at", "owned_at", "owner", "reason"},
    "reconciliation": {"bill_fen", "books_fen", "break_fen", "ledger_fen", "pos_fen", "run_at"},
    "referral_bonus": {"taken_at"},
    "refresh_token": {"used_at"},
    "rule": {"name_en", "name_zh"},
    "rule_version": {"*"},
    "settlement_dispute": {"adjusted_fen", "resolution", "resolved_at", "resolved_by"},
    "sign_in_code": {"tries", "used_at"},
    "staff": {"status"},
    "staff_credential": {"ended_at", "last_step"},
    "staff_session": {"ended_at", "ended_why", "seen_at"},
    "store": {"status"},
    "store_key": {"ended_at", "state", "valid_until"},
    "terminal": {"status"},
    "write_off": {"made_good"},
}  # fmt: skip


def test_the_application_may_change_these_columns_and_no_others(session: Session) -> None:
    """L1: no right at all on the books, on every partition too; a trigger guards rule versions."""
    rows = session.execute(
        text(
            "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relnamespace = current_schema::regnamespace AND c.relkind IN ('r', 'p')"
            " AND a.attnum > 0 AND has_column_privilege('plaza_app', c.oid, a.attnum, 'UPDATE')"
        )
    )
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add("*" if CHANGEABLE.get(table) == {"*"} else column)

    assert found == CHANGEABLE


def test_the_application_deletes_only_what_is_of_no_more_use(session: Session) -> None:
    found = session.scalars(
        text(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema::regnamespace"
            " AND relkind IN ('r', 'p') AND (has_table_privilege('plaza_app', oid, 'DELETE')"
            " OR has_table_privilege('plaza_app', oid, 'TRUNCATE')) ORDER BY 1"
        )
    ).all()

    assert found == [
        "cashier_member", "channel_identity", "code_miss", "code_seed", "coupon_miss",
        "idempotency", "identification", "outbox", "refresh_token", "segment_member",
        "sign_in_code", "staff_miss",
    ]  # fmt: skip


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for floor in FLOORS:
        for path in sorted((PROJECT / floor).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function from its first statement after the docstring on."""
    first = node.body[0]
    said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    begin = node.body[1] if said and len(node.body) > 1 else first
    return (node.end_lineno or node.lineno) - begin.lineno + 1


def _owners() -> dict[str, str]:
    """Return table name → the room whose module declares it."""
    return {
        mapper.local_table.fullname: _room(mapper.class_.__module__)
        for mapper in Base.registry.mappers
        if hasattr(mapper.local_table, "fullname")
    }


def _room(module: str) -> str:
    return next(room for rooms in ROOMS for room in rooms if (module + ".").startswith(f"{room}."))
