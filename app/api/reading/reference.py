"""The description of the API as people read it: each route with its fields, limits and examples."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from app.api.problems import Problem
from app.api.signing import SCHEME

_SCHEMAS = "#/components/schemas/"
_DEPTH = 5
_NO_LIMIT = 2**53 - 1
_OF_SIGNERS = ("bad-signature", "clock-skew")
_OF_MEMBERS = ("unauthenticated", "consent-required")
_OF_KEYS = ("idempotency-", "business-key-conflict")


@dataclass(frozen=True, kw_only=True)
class Field:
    """A row of a table: `lines[].sku`, its type, its limits and its words."""

    name: str
    kind: str
    limits: str
    required: bool
    words: str


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A status that a route may answer with, and the codes that it may have then."""

    status: str
    codes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Route:
    """One thing that may be asked."""

    anchor: str
    method: str
    path: str
    summary: str
    signed: str
    keyed: bool
    query: Sequence[Field]
    takes: Sequence[Field]
    takes_example: str
    gives: Sequence[Field]
    gives_example: str
    status: str
    refusals: Sequence[Refusal]

    @property
    def shown(self) -> str:
        """The path in the list at the side, without what is the same in all."""
        return re.sub(r"^/v1/\w+/|^/", "", self.path)

    @property
    def searched(self) -> str:
        """What the filter of the page looks at."""
        names = " ".join(each.name for each in [*self.query, *self.takes, *self.gives])
        return f"{self.method} {self.path} {self.summary} {names}".lower()


def routes(
    described: Mapping[str, Any], *, tags: Sequence[str], problems: Sequence[Problem]
) -> list[Route]:
    """Return the routes of some audiences, one after the other, in the order of their paths."""
    schemas = described["components"]["schemas"]
    return [
        _route(schemas, path, method, operation, problems)
        for tag in tags
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if operation["tags"] == [tag]
    ]


def example(schemas: Mapping[str, Any], shape: Mapping[str, Any]) -> Any:
    """Return a value of a shape, put together from the examples of its fields."""
    if "examples" in shape:
        return shape["examples"][0]
    shape = _resolved(schemas, shape)
    if "properties" in shape:
        wanted = shape.get("required", [])
        return {
            name: example(schemas, inner)
            for name, inner in shape["properties"].items()
            if name in wanted or _shown(schemas, inner)
        }
    if "items" in shape:
        return [example(schemas, shape["items"])]
    return shape.get("default")


def _shown(schemas: Mapping[str, Any], shape: Mapping[str, Any]) -> bool:
    """Whether an optional field is worth its place in an example: it has one, or holds some."""
    resolved = _resolved(schemas, shape)
    return "examples" in shape or "properties" in resolved or "items" in resolved


def _route(
    schemas: Mapping[str, Any],
    path: str,
    method: str,
    operation: Mapping[str, Any],
    problems: Sequence[Problem],
) -> Route:
    takes = _content(operation.get("requestBody", {}))
    status, answer = next(
        (int(status), answer)
        for status, answer in sorted(operation["responses"].items(), reverse=True)
        if int(status) < HTTPStatus.BAD_REQUEST
    )
    parameters = operation["parameters"]
    return Route(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        signed=_proof(operation),
        keyed=any(each["in"] == "header" for each in parameters),
        query=[_parameter(schemas, each) for each in parameters if each["in"] == "query"],
        takes=list(_fields(schemas, takes)),
        takes_example=_written(example(schemas, takes)) if takes else "",
        gives=list(_fields(schemas, _content(answer))),
        gives_example=_written(example(schemas, _content(answer))),
        status=f"{status} {HTTPStatus(status).phrase}",
        refusals=list(_refusals(operation, problems)),
    )


def _refusals(operation: Mapping[str, Any], problems: Sequence[Problem]) -> Iterator[Refusal]:
    """Return what a route may refuse with: codes of its statuses, but for those of others."""
    keyed = any(each["in"] == "header" for each in operation["parameters"])
    signed = SCHEME in str(operation.get("security"))
    others = [*(_OF_MEMBERS if signed else _OF_SIGNERS), *(() if keyed else _OF_KEYS)]
    for status in operation["responses"]:
        if int(status) >= HTTPStatus.BAD_REQUEST:
            codes = [each.code for each in problems if each.status == int(status)]
            yield Refusal(
                status=status, codes=[code for code in codes if not code.startswith(tuple(others))]
            )


def _proof(operation: Mapping[str, Any]) -> str:
    named = {name for each in operation.get("security", []) for name in each}
    if SCHEME in named:
        return "签名 / signed"
    return "Bearer" if named else "公开 / open"


def _content(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (
        holder.get("content", {}).get("application/json", {}).get("schema", {})
    )
    return found


def _parameter(schemas: Mapping[str, Any], given: Mapping[str, Any]) -> Field:
    shape = {**given["schema"], "description": given.get("description", "")}
    return _field(schemas, given["name"], shape, required=given["required"])


def _fields(
    schemas: Mapping[str, Any], shape: Mapping[str, Any], *, before: str = "", depth: int = 0
) -> Iterator[Field]:
    shape = _resolved(schemas, shape)
    if depth > _DEPTH:
        return
    wanted = shape.get("required", [])
    fields = shape.get("properties", {}).items()
    for name, inner in sorted(fields, key=lambda field: field[0] not in wanted):
        required = name in wanted
        yield _field(schemas, before + name, inner, required=required)
        resolved = _resolved(schemas, inner)
        if "items" in resolved:
            yield from _fields(
                schemas, resolved["items"], before=f"{before}{name}[].", depth=depth + 1
            )
        else:
            yield from _fields(schemas, resolved, before=f"{before}{name}.", depth=depth + 1)


def _field(
    schemas: Mapping[str, Any], name: str, shape: Mapping[str, Any], *, required: bool
) -> Field:
    resolved = _resolved(schemas, shape)
    kinds = resolved.get("type", "object")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if resolved is not shape and "anyOf" in shape:
        kinds = [*kinds, "null"]
    kind = str(resolved.get("format", kinds[0]))
    return Field(
        name=name,
        kind=f"{kind} | null" if "null" in kinds and required else kind,
        limits=_limits(resolved),
        required=required,
        words=shape.get("description", ""),
    )


def _limits(shape: Mapping[str, Any]) -> str:
    said = [shape["pattern"]] if "pattern" in shape else []
    if shape.get("maximum", _NO_LIMIT) < _NO_LIMIT:
        said.append(f"{shape.get('minimum', 0):,} … {shape['maximum']:,}")
    elif shape.get("minimum", -_NO_LIMIT) > -_NO_LIMIT:
        said.append(f"≥ {shape['minimum']:,}")
    if "maxLength" in shape:
        said.append(f"{shape.get('minLength', 0)} … {shape['maxLength']:,} 字符 / characters")
    if "maxItems" in shape:
        said.append(f"{shape.get('minItems', 0)} … {shape['maxItems']:,} 项 / items")
    return "\n".join(said)


def _resolved(schemas: Mapping[str, Any], shape: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the shape that a reference names, also one that may be null."""
    for each in shape.get("anyOf", [shape]):
        if "$ref" in each:
            found: Mapping[str, Any] = schemas[each["$ref"].removeprefix(_SCHEMAS)]
            return found
    return shape


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
