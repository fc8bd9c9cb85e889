"""What every request has: the services of the process, an id on its log lines, its headers."""

import logging
import time
from typing import cast

from apiflask import APIFlask
from flask import Response, current_app, g, request

from app.api.measures import REQUEST_SECONDS
from app.wiring import Services
from config.database import new_id
from config.logging import bound

log = logging.getLogger(__name__)

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_QUIET_ROUTES = ("/healthz", "/readyz", "/metrics")


def services() -> Services:
    """Return the services of this process, inside a request."""
    return cast("Services", current_app.extensions["plaza"])


def request_id() -> str:
    """Return the id of the request being answered: the `instance` of its problem, if any."""
    return cast("str", g.request_id)


def watch_requests(app: APIFlask) -> None:
    """Give each request an id on its log lines, time it by route, and set the security headers."""

    @app.before_request
    def begin() -> None:
        g.request_id = new_id("req")
        g.began = time.perf_counter()
        g.bound = bound(request=g.request_id)
        g.bound.__enter__()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        seconds = time.perf_counter() - g.began
        route = request.url_rule.rule if request.url_rule else "unknown"
        REQUEST_SECONDS.labels(route, request.method, str(response.status_code)).observe(seconds)
        if route not in _QUIET_ROUTES:
            log.info(
                "request_answered",
                extra={
                    "route": route,
                    "method": request.method,
                    "status": response.status_code,
                    "milliseconds": round(seconds * 1000, 1),
                },
            )
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:  # noqa: ARG001  (Flask hands it over)
        if "bound" in g:
            g.pop("bound").__exit__(None, None, None)
