"""Issued coupons keep their version, unless they are renewed to a kinder one (semantics 42).

Kinder is what no holder can lose by: more off, a lower threshold, more goods, days, people and ways
to pay, a longer life, a softer return. Whatever else differs is refused by its path. What a
version says of issuing, of stock and budgets is its batches' and concerns no coupon that is issued.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from config.database import fetch, now_of
from coupons import batches, templates
from coupons.batches import read_template
from coupons.errors import NoSuchCoupon, NotKinder
from coupons.templates import Template

_Kinder = Callable[[object, object], bool]


@dataclass(frozen=True, kw_only=True)
class Renewed:
    """What a step of a renewal did: coupons changed, and the row to go on from; None: the end."""

    coupons: int
    last_id: int | None


@dataclass(frozen=True, kw_only=True)
class Change:
    """A field of a template's document that a later version writes otherwise; None: not at all."""

    path: str
    before: object
    after: object

    @property
    def kinder(self) -> bool:
        """Whether no holder of a coupon can lose by it."""
        if self.path.startswith(_NOT_OF_COUPONS):
            return True
        rules = [rule for begins, rule in _RULES.items() if self.path.startswith(begins)]
        return bool(rules) and rules[0](self.before, self.after)


def changes(old: Template, new: Template) -> list[Change]:
    """Return what a later version writes otherwise, by path."""
    before, after = (dict(_flat(templates.dump(each))) for each in (old, new))
    return [
        Change(path=path, before=before.get(path), after=after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def require_kinder(session: Session, batch: str, *, version: int) -> None:
    """Refuse a version that coupons of a batch may not follow from the one that it was opened with.

    Raises:
        NoSuchCoupon: no such batch, or its template has no such version.
        NotKinder: names what is not kinder.
    """
    found = batches.get_batch(session, batch)
    _, wanted = _version(session, found.template.code, version)
    worse = _unkind(found.template, wanted)
    if found.parts or version <= found.version:
        worse = ["pack" if found.parts else "version"]
    if worse:
        raise NotKinder(batch, worse)


def renew_some(
    session: Session, batch: str, *, version: int, after: int = 0, limit: int = 5_000
) -> Renewed:
    """Let issued coupons of a batch follow a later version, some at a time, from a row on.

    Each follows from the version that it has, which may be of another renewal: one that has better
    stays with it. A life that the version makes longer is counted from when each was issued; what
    is over stays so. Call it, each time in a transaction of its own, with `last_id` of the answer
    until that is None; killed in the middle, it is begun again. The batch itself issues by the
    version that it was opened with. Locks the coupons.

    Raises:
        NoSuchCoupon: no such batch, or its template has no such version.
    """
    found = batches.get_batch(session, batch)
    version_id, wanted = _version(session, found.template.code, version)
    rows = fetch(session, _SOME, {"batch": found.id, "after": after, "limit": limit})
    had = fetch(session, _VERSIONS, {"ids": list({row.version_id for row in rows})})
    losing = {each.id for each in had if _unkind(read_template(each.document), wanted)}
    following = [row for row in rows if row.version_id not in losing]
    windows = [wanted.terms.validity.window(row.issued_at) for row in following]
    done = fetch(
        session,
        "SELECT coupon_renew(%(now)s, %(coupons)s::bigint[], %(version)s, "
        "%(until)s::timestamptz[]) AS n",
        {
            "now": now_of(session),
            "coupons": [row.id for row in following],
            "version": version_id,
            "until": [
                row.valid_until if window is None else window[1]
                for row, window in zip(following, windows, strict=True)
            ],
        },
    )
    return Renewed(coupons=done[0].n, last_id=rows[-1].id if rows else None)


def _unkind(old: Template, new: Template) -> list[str]:
    return [each.path for each in changes(old, new) if not each.kinder]


def _version(session: Session, template: str, version: int) -> tuple[int, Template]:
    rows = fetch(session, _VERSION, {"template": template, "version": version})
    if not rows:
        raise NoSuchCoupon("coupon-template", f"{template} v{version}")
    return rows[0].id, read_template(rows[0].document)


def _flat(fields: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    """Return the leaves of a document by their paths; lists are leaves."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _more(old: object, new: object) -> bool:
    """A larger number; none at all is no limit."""
    return isinstance(old, int) and (new is None or (isinstance(new, int) and new > old))


def _less(old: object, new: object) -> bool:
    """A smaller number; none at all asks for nothing."""
    return isinstance(old, int) and (new is None or (isinstance(new, int) and new < old))


def _wider(old: object, new: object) -> bool:
    """A list that names all that it did; none at all lets everything in."""
    return isinstance(old, list) and (new is None or set(old) <= set(_names(new)))


def _fewer(old: object, new: object) -> bool:
    """A list that names nothing that it did not name before."""
    return set(_names(new)) <= set(_names(old))


def _names(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _gone(_old: object, new: object) -> bool:
    return new is None


def _grown(old: object, new: object) -> bool:
    """A number above what it was, which is there."""
    return new is not None and _more(old, new)


_RULES: Mapping[str, _Kinder] = {
    "title_": lambda _old, _new: True,
    "offer.benefit.fen": _grown,
    "offer.benefit.off_bps": _grown,
    "offer.benefit.ceiling_fen": _more,
    "offer.threshold.min_": _less,
    "offer.scope.include.": _wider,
    "offer.scope.exclude.": _fewer,
    "offer.tenders": _wider,
    "offer.who.tiers": _wider,
    "offer.who.segments": _wider,
    "offer.who.": _gone,
    "offer.when.blackout": _fewer,
    "offer.when.hours": _gone,
    "offer.when.": _wider,
    "terms.returns.courtesy_days": _grown,
    "terms.returns.claw_back": lambda _old, new: new is False,
    "terms.returns.policy": lambda old, _new: old == "never",
}
_NOT_OF_COUPONS = (
    "terms.validity.", "terms.limits.", "terms.budget.", "terms.claim", "terms.code", "terms.rush",
)  # fmt: skip

_VERSION = """
SELECT v.id, v.document::text AS document
FROM coupon_template_version v JOIN coupon_template t ON t.id = v.template_id
WHERE t.code = %(template)s AND v.version = %(version)s
"""
_VERSIONS = """
SELECT v.id, v.document::text AS document FROM coupon_template_version v
WHERE v.id = ANY (%(ids)s::bigint[])
"""
_SOME = """
SELECT c.id, c.version_id, c.issued_at, c.valid_until FROM coupon c
WHERE c.batch_id = %(batch)s AND c.id > %(after)s ORDER BY c.id LIMIT %(limit)s
"""
