"""The web part that a command starts for itself."""

import os

import pytest
import requests

from app.cli.context import Command
from app.cli.serving import WebDoorFailed, answers, served
from tests.app.cli.conftest import Plaza


def test_it_answers_for_as_long_as_it_is_needed(plaza: Plaza) -> None:
    command = Command(district=plaza.district, environ={**os.environ, **plaza.environ})

    with served(command) as address:
        ready = requests.get(f"{address}/healthz", timeout=5).status_code

    command.close()
    assert ready == 200
    assert not answers(address)


def test_one_that_cannot_start_is_told_with_its_log(plaza: Plaza) -> None:
    broken = {**os.environ, **plaza.environ, "GUNICORN_CMD_ARGS": "--worker-class=nonsense"}
    command = Command(district=plaza.district, environ=broken)

    with pytest.raises(WebDoorFailed, match=r"command-web\.log"), served(command):
        pass
    command.close()
