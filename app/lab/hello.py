"""The web application with a bare Flask beside it, in the same processes: the yardstick over HTTP.

Served by `plaza bench http` alone.
"""

import os

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from app.factory import create_app
from config.settings import Settings


def both() -> DispatcherMiddleware:
    """Return the application, and `/hello`, which does as little as a web application can."""
    hello = Flask(__name__, static_folder=None)
    hello.add_url_rule("/", view_func=lambda: {"hello": "world"})
    return DispatcherMiddleware(create_app(Settings.from_environ(os.environ)), {"/hello": hello})
