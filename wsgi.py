"""The web application as gunicorn loads it."""

import os

from app.factory import create_app
from config.settings import Settings

app = create_app(Settings.from_environ(os.environ))
