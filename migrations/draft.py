"""`make migration m="add tier to member"`: draft a migration from the models, to be edited by hand.

The models are compared with a fresh district of a throw-away database on the tests' server.
"""

import os
import re
import sys

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine, text

from config import servers
from config.database import schema_of
from config.settings import PROJECT
from migrations.run import create_district


def draft(message: str) -> None:
    """Write the draft beside the other versions; its name carries the hour and the message."""
    folder = servers.home_of(PROJECT) / "test-postgres-18"
    with servers.attach_postgres(folder, durable=False) as running:
        name = f"plaza_draft_{os.getpid()}"
        with psycopg.connect(running.addresses["superuser_url"], autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            try:
                _compare(re.sub("postgres$", name, running.addresses["superuser_url"]), message)
            finally:
                connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def _compare(url: str, message: str) -> None:
    create_district(url, "draft", name="draft", sandbox=False)
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        schema = schema_of("draft")
        connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": schema})
        connection.dialect.default_schema_name = schema
        config = Config()
        config.set_main_option("script_location", str(PROJECT / "migrations"))
        config.set_main_option(
            "file_template", "%%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s"
        )
        config.attributes["connection"] = connection
        revision = re.sub(r"\W+", "_", message.lower()).strip("_")
        command.revision(config, message=message, autogenerate=True, rev_id=revision)
    engine.dispose()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not re.search(r"[a-z]", sys.argv[1]):
        sys.exit('用法 / usage: make migration m="add tier to member"')
    draft(sys.argv[1])
