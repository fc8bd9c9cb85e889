"""`plaza setup`: the secret keys of this installation."""

import click

from app.cli.context import Command, pass_command
from config.dotenv import ensure_keys


@click.command()
@pass_command
def setup(command: Command) -> None:
    """生成密钥（若尚无） / make the keys of this installation, where there are none."""
    ensure_keys(command.folder, command.home, given=command.named)
    click.echo(f"✔ 密钥 / keys: {command.folder / '.env'}")
    click.echo("✔ 下一步 / next: make run")
