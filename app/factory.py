"""Settings in, a web application out."""

from typing import cast

from apiflask import APIFlask
from flask.json.provider import DefaultJSONProvider
from werkzeug.routing import BaseConverter

from app import VERSION
from app.api import health, openapi, problems
from app.api.auth import Gate
from app.api.context import watch_requests
from app.api.manage.routes import manage
from app.api.measures import POOL_SIZE, POOL_USED
from app.api.member.routes import member
from app.api.policy import POLICY, STAFF_MAY, deny_by_default
from app.api.pos.routes import pos
from app.api.reading.routes import reading
from app.api.rush import RushGate
from app.wiring import build
from config.settings import Settings

MAX_BODY_BYTES = 1024 * 1024


class PublicIdConverter(BaseConverter):
    """A public id in a path; anything else is no route."""

    regex = "[a-z]{3}_[0-9A-Z]{26}"


class CodeConverter(BaseConverter):
    """A code that people chose, in a path; anything else is no route."""

    regex = "[A-Za-z0-9][A-Za-z0-9._-]{0,39}"


def create_app(settings: Settings) -> APIFlask:
    """Return the application of one web process; nothing is connected until the first request."""
    app = APIFlask(
        __name__,
        title="Plaza 商圈通",
        version=VERSION,
        docs_path=None,  # Its pages load scripts from elsewhere; ours are app/api/reading.
        enable_openapi=False,
        static_folder=cast("str", None),
    )
    app.url_map.converters |= {"public_id": PublicIdConverter, "code": CodeConverter}
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    cast("DefaultJSONProvider", app.json).ensure_ascii = False
    services = build(settings, lending=POOL_USED.inc)
    app.extensions["plaza"] = services
    POOL_SIZE.set(settings.web.threads)
    app.extensions["plaza_gate"] = Gate(services)
    app.extensions["plaza_rush"] = RushGate(services)
    app.extensions["plaza_policy"] = dict(POLICY)
    app.extensions["plaza_staff_may"] = dict(STAFF_MAY)
    watch_requests(app)
    deny_by_default(app)
    problems.answer_with_problems(app)
    for blueprint in (health.health, openapi.meta, pos, member, manage, reading):
        app.register_blueprint(blueprint)
    return app
