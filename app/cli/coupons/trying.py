"""`plaza coupons try`: what coupons would do to a sale of paper, without any stored row."""

import json
from typing import TextIO

import click

from app.checkout import trying
from app.cli.acting import echo_json
from app.cli.coupons.group import coupons
from app.errors import Invalid


@coupons.command("try")
@click.argument("file", type=click.File(encoding="utf-8"))
def try_(file: TextIO) -> None:
    """试算：商品行、券模板、会员与时刻 / lines, templates, a member and an instant, as JSON.

    \b
    plaza coupons try sale.json        # docs/coupons-try.md：例子 / worked examples
    """
    try:
        document = json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Invalid("FILE", f"不是 JSON（{error}）", f"is no JSON ({error})") from error
    echo_json(trying.answer(trying.load(document)))
