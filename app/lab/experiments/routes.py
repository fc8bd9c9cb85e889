"""The routes of an application as its URL map has them, and what their bodies are made of."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from apiflask import APIFlask
from werkzeug.routing import Rule

from app.api.auth import Role
from app.api.edge import Contract
from app.api.fields import DoorSchema, Items, Part, PublicId
from app.api.policy import role_of
from app.errors import NotFound

_SHARED = {(Role.MEMBER, "merchant_id")}
"""Ids that are nobody's own: a district's merchants are known to all of it."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A right request: the ids in its path, its query and its body."""

    ids: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Spot:
    """An object inside a body: where it is, the names it knows, the body with a name more there."""

    pointer: str
    known: frozenset[str]
    add: Callable[[str, object], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method of one rule of the URL map, and whom it is for."""

    endpoint: str
    method: str
    rule: Rule
    role: Role
    contract: Contract | None

    @property
    def keyed(self) -> bool:
        """Whether it wants an idempotency key."""
        return self.contract is not None and self.contract.keyed

    def path(self, ask: Ask) -> str:
        """Return the path and query of a request."""
        built = self.rule.build({**ask.ids, **ask.query})
        if built is None:
            raise NotFound("route", self.endpoint)
        return built[1]


def routes_of(app: APIFlask) -> list[Route]:
    """Return every route that the policy lets anybody call."""
    policy: Mapping[str, Role] = app.extensions["plaza_policy"]
    found = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: each.endpoint):
        role = role_of(app, rule.endpoint)
        if role is None or policy.get(rule.endpoint) is not role:
            continue
        contract = getattr(app.view_functions[rule.endpoint], "contract", None)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append(
                Route(
                    endpoint=rule.endpoint,
                    method=method,
                    rule=rule,
                    role=role,
                    contract=contract if isinstance(contract, Contract) else None,
                )
            )
    return found


def owned_fields(route: Route) -> list[str]:
    """Return the fields of a body that name something which may be somebody else's."""
    takes = route.contract.takes if route.contract else None
    if takes is None:
        return []
    fields: Mapping[str, object] = takes().fields
    return [
        name
        for name, each in fields.items()
        if isinstance(each, PublicId) and (route.role, name) not in _SHARED
    ]


def spots(takes: DoorSchema, body: Mapping[str, Any], pointer: str = "") -> Iterator[Spot]:
    """Return every object in a body that a schema takes."""
    known = {each.data_key or name: each for name, each in takes.fields.items()}
    yield Spot(
        pointer=pointer, known=frozenset(known), add=lambda name, value: {**body, name: value}
    )
    for key, each in known.items():
        inner = each.inner if isinstance(each, Items) else each
        if not isinstance(inner, Part) or not body.get(key):
            continue
        listed = isinstance(each, Items)
        first = body[key][0] if listed else body[key]
        for spot in spots(
            cast("DoorSchema", inner.schema), first, f"{pointer}/{key}" + "/0" * listed
        ):
            yield Spot(
                pointer=spot.pointer, known=spot.known, add=_within(body, key, spot, listed=listed)
            )


def _within(
    body: Mapping[str, Any], key: str, spot: Spot, *, listed: bool
) -> Callable[[str, object], Mapping[str, Any]]:
    def add(name: str, value: object) -> Mapping[str, Any]:
        inside = spot.add(name, value)
        return {**body, key: [inside, *body[key][1:]] if listed else inside}

    return add
