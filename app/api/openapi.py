"""OpenAPI 3.1 of the API, made from what `reads`, `writes` and `requires` say of each view.

Own pages of apispec and not APIFlask's: that one knows only its own decorators, which parse before
anybody is proven and commit after the answer is made.
"""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, cast

from apiflask import APIBlueprint, APIFlask
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Response, current_app
from werkzeug.routing import Rule

from app import VERSION
from app.api.auth import Role, requires
from app.api.edge import CSV, Contract
from app.api.fields import DoorSchema, Items, Part, PublicId, Text, Whole, YesNo
from app.api.policy import role_of
from app.api.signing import SCHEME
from app.api.words import Word, find_word
from app.checkout.baskets import LIMIT_COUPONS

TITLE = "Plaza 商圈通"

meta = APIBlueprint("meta", __name__, enable_openapi=False)

BEARER = "Bearer"

STAFF_BEARER = "StaffBearer"

_SCHEMES = {Role.STORE: SCHEME, Role.MEMBER: BEARER, Role.STAFF: STAFF_BEARER}
_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
_IN_PATHS = {
    "public_id": {"type": "string", "pattern": "^[a-z]{3}_[0-9A-Z]{26}$"},
    "code": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"},
}
_KEY = {"type": "string", "pattern": '^"?[A-Za-z0-9_.:-]{16,64}"?$'}
_AS_LINES = (
    "text/csv：每行一个 {listed}，其余字段在查询中 / text/csv: a line each of {listed}, "
    "the other fields in the query"
)
_TRUE = {"schema": {"type": "string", "const": "true"}}


class FaultSchema(DoorSchema):
    pointer = Text(most=500, least=0, required=True)
    code = Text(most=40, required=True)


class ReasonSchema(DoorSchema):
    """Why a coupon that an order names cannot be used."""

    coupon_id = Text(most=64, required=True)
    zh = Text(most=2000, required=True)
    en = Text(most=2000, required=True)


class ProblemSchema(DoorSchema):
    """What every error is (RFC 9457)."""

    type = Text(most=80, required=True)
    title = Text(most=200, required=True)
    status = Whole(least=400, most=599, required=True)
    code = Text(most=40, required=True)
    instance = Text(most=40, required=True)
    retryable = YesNo(required=True)
    detail = Text(most=2000)
    errors = Items(Part(FaultSchema), most=1000)
    burn_id = PublicId("brn")
    reasons = Items(Part(ReasonSchema), most=LIMIT_COUPONS)


@meta.get("/openapi.json")
@requires(Role.ANYONE)
def read_openapi() -> Response:
    """Return the description of the API."""
    return Response(document(cast("APIFlask", current_app)), content_type="application/json")


def document(app: APIFlask) -> str:
    """Return the description as JSON text, the same for the same code."""
    if "plaza_openapi" not in app.extensions:
        described = json.dumps(describe(app), ensure_ascii=False, indent=1, sort_keys=True)
        app.extensions["plaza_openapi"] = described + "\n"
    return cast("str", app.extensions["plaza_openapi"])


def describe(app: APIFlask) -> dict[str, Any]:
    """Return the description of every route that has a contract."""
    spec = APISpec(
        title=TITLE,
        version=VERSION,
        openapi_version="3.1.0",
        plugins=[MarshmallowPlugin(schema_name_resolver=_name)],
        info={"description": "商圈会员、积分与卡券 / members, points and coupons of a district"},
    )
    spec.components.security_scheme(
        SCHEME,
        {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "docs/api.md: HMAC-SHA256 over nine lines",
        },
    )
    spec.components.security_scheme(
        BEARER, {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )
    spec.components.security_scheme(STAFF_BEARER, {"type": "http", "scheme": "bearer"})
    spec.components.schema("Problem", schema=ProblemSchema)
    for rule, contract in _routes(app):
        role = role_of(app, rule.endpoint)
        view = app.view_functions[rule.endpoint]
        method = next(iter((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        operation = _operation(contract, scheme=_SCHEMES.get(role) if role else None)
        operation |= {
            "operationId": view.__name__,
            "summary": (view.__doc__ or "").strip().partition("\n")[0],
            "tags": [rule.rule.split("/")[2]],
        }
        operation["parameters"] += [
            {"name": name, "in": "path", "required": True, "schema": _IN_PATHS[kind]}
            for kind, name in _PARAMETER.findall(rule.rule)
        ]
        path = _PARAMETER.sub(r"{\2}", rule.rule)
        spec.path(path=path, operations={method.lower(): operation})
    described = spec.to_dict()
    for schema in _below(DoorSchema):
        if schema.also and _name(schema) in described["components"]["schemas"]:
            described["components"]["schemas"][_name(schema)] |= schema.also
    return _explained(described)


def _explained(described: dict[str, Any]) -> dict[str, Any]:
    """Give every field and parameter its words, and an example where there is one."""
    for schema, shape in described["components"]["schemas"].items():
        for name, inner in shape.get("properties", {}).items():
            _explain(inner, find_word(schema, name))
    for operations in described["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                _explain(parameter, find_word(operation["operationId"], parameter["name"]))
    return described


def _explain(shape: dict[str, Any], word: Word | None) -> None:
    if word is None:
        return
    shape["description"] = word.both
    if word.example is not None:
        shape.get("schema", shape)["examples"] = [word.example]


def _below(schema: type[DoorSchema]) -> Iterator[type[DoorSchema]]:
    for each in schema.__subclasses__():
        yield each
        yield from _below(each)


def _routes(app: APIFlask) -> Iterator[tuple[Rule, Contract]]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: (each.rule, each.endpoint)):
        contract = getattr(app.view_functions[rule.endpoint], "contract", None)
        if isinstance(contract, Contract):
            yield rule, contract


def _operation(contract: Contract, *, scheme: str | None) -> dict[str, Any]:
    responses = _responses(contract, scheme=scheme)
    operation: dict[str, Any] = {"parameters": [], "responses": responses}
    if scheme is not None:
        operation["security"] = [{scheme: []}]
    if contract.query is not None:
        operation["parameters"].append({"in": "query", "schema": contract.query})
    if contract.keyed:
        operation["parameters"].append(
            {"name": "Idempotency-Key", "in": "header", "required": True, "schema": _KEY}
        )
    if contract.takes is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": contract.takes}},
        }
    if contract.listed:
        body = operation["requestBody"]
        body["content"][CSV] = {"schema": {"type": "string"}}
        body["description"] = _AS_LINES.format(listed=contract.listed)
    return operation


def _responses(contract: Contract, *, scheme: str | None) -> dict[str, Any]:
    schema: Any = contract.gives
    if contract.pages is not None:
        schema = {"oneOf": [contract.gives, contract.pages]}
    media = "application/json"
    if contract.media:
        media, schema = contract.media, {"type": "string"}
    good: dict[str, Any] = {
        "description": contract.status.phrase,
        "content": {media: {"schema": schema}},
    }
    responses = {str(int(contract.status)): good}
    if contract.keyed:
        good["headers"] = {"Idempotency-Replayed": _TRUE}
    if contract.again:
        again = {
            "description": HTTPStatus.OK.phrase,
            "content": good["content"],
            "headers": {**good["headers"], "Business-Replayed": _TRUE},
        }
        responses[str(int(HTTPStatus.OK))] = again
    for status in _refusals(contract, scheme=scheme):
        responses[str(int(status))] = {
            "description": status.phrase,
            "content": {"application/problem+json": {"schema": ProblemSchema}},
        }
    return responses


def _refusals(contract: Contract, *, scheme: str | None) -> list[HTTPStatus]:
    """Return the statuses with which a route may refuse, in their order."""
    statuses = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR}
    if scheme is not None or contract.takes is not None:
        statuses |= _PROVEN
    if scheme == STAFF_BEARER:
        statuses.add(HTTPStatus.FORBIDDEN)
    if contract.takes is not None:
        statuses |= _WITH_A_BODY
    if contract.conflicts:
        statuses.add(HTTPStatus.CONFLICT)
    if contract.media:
        statuses.add(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
    return sorted(statuses)


def _name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return str(kind.__name__).removesuffix("Schema")


_PROVEN = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.SERVICE_UNAVAILABLE,
}
_WITH_A_BODY = {
    HTTPStatus.CONFLICT,
    HTTPStatus.GONE,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
