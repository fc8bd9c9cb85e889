"""`templates`: what coupons give and how they live, by version; ready-made ones (C1-C3, A6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema
from sqlalchemy.orm import Session

from app.api.auth import ActingStaff, Role, requires
from app.api.edge import reads, writes
from app.api.fields import Document, DoorSchema, Instant, Items, Part, Text, Whole
from app.api.manage import manage
from app.api.member.paging import LIMIT, Page, PageSchema, read_cursor, write_cursor
from app.campaigns import coupons as room
from app.merchants.staff import Permission
from coupons import batches, listing, presets, templates
from coupons.batches import ListedTemplate

_MANY = 10_000


class PageQuerySchema(PageSchema):
    makes = Page


class TemplateSchema(DoorSchema):
    """`document` is the whole of it, with every default written out."""

    template = Text(most=40, required=True)
    version = Whole(required=True)
    zh = Text(most=60, required=True)
    en = Text(most=60, required=True)
    created_by = Text(most=80, required=True)
    created_at = Instant(required=True)
    retired_at = Instant(required=True, allow_none=True)
    document = Document(required=True)


class TemplatesSchema(DoorSchema):
    templates = Items(Part(TemplateSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


class TemplateVersionsSchema(DoorSchema):
    versions = Items(Part(TemplateSchema), most=_MANY, required=True)


@dataclass(frozen=True, kw_only=True)
class AskedTemplate:
    """What `AddTemplateSchema` loads: a whole template, or a ready-made one with its values."""

    template: Mapping[str, Any] | None
    preset: str | None
    values: Mapping[str, Any] | None


class AddTemplateSchema(DoorSchema):
    """A whole template, or a ready-made one with its values."""

    makes = AskedTemplate
    also: ClassVar[Mapping[str, Any]] = {
        "oneOf": [
            {
                "required": ["template"],
                "properties": {
                    "template": {"type": "object"},
                    "preset": {"type": "null"},
                    "values": {"type": "null"},
                },
            },
            {
                "required": ["preset", "values"],
                "properties": {
                    "template": {"type": "null"},
                    "preset": {"type": "string"},
                    "values": {"type": "object"},
                },
            },
        ]
    }
    template = Document(load_default=None)
    preset = Text(most=40, load_default=None)
    values = Document(load_default=None)

    @validates_schema
    def check(self, data: Mapping[str, Any], **_: object) -> None:
        """Refuse both, neither, and half of one."""
        said = [data[name] is not None for name in ("template", "preset", "values")]
        if said not in ([True, False, False], [False, True, True]):
            raise ValidationError("needs-template-or-preset")


@dataclass(frozen=True, kw_only=True)
class AskedReason:
    """What a body loads that says nothing but why."""

    reason: str


class RetireSchema(DoorSchema):
    makes = AskedReason
    reason = Text(most=500, required=True)


class RetiredSchema(DoorSchema):
    template = Text(most=40, required=True)
    closed = Items(Text(most=40), most=_MANY, required=True)


class ParameterSchema(DoorSchema):
    name = Text(most=40, required=True)
    kind = Text(most=10, required=True)


class PresetSchema(DoorSchema):
    preset = Text(most=40, required=True)
    says = Text(most=200, required=True)
    parameters = Items(Part(ParameterSchema), most=20, required=True)


class PresetsSchema(DoorSchema):
    presets = Items(Part(PresetSchema), most=100, required=True)


@manage.get("/presets")
@requires(Role.STAFF, may=Permission.COUPON_READ)
@reads(PresetsSchema)
def list_presets(_session: Session, _caller: ActingStaff) -> Mapping[str, Any]:
    """Return the ready-made templates and what each wants to know."""
    return {
        "presets": [
            {
                "preset": name,
                "says": (make.__doc__ or "").partition("\n")[0],
                "parameters": [
                    {"name": each, "kind": kind} for each, kind in presets.parameters(name).items()
                ],
            }
            for name, make in presets.PRESETS.items()
        ]
    }


@manage.get("/templates")
@requires(Role.STAFF, may=Permission.COUPON_READ)
@reads(TemplatesSchema, query=PageQuerySchema)
def list_templates(session: Session, caller: ActingStaff, asked: Page) -> Mapping[str, Any]:
    """Return the newest version of every template, the newest template first."""
    before = read_cursor(session, caller, asked.cursor, of="templates")
    rows = listing.list_templates(
        session, before=before[0] if before else None, limit=asked.limit + 1
    )
    shown = rows[: asked.limit]
    last = (shown[-1][0],) if len(shown) < len(rows) else None
    return {
        "templates": [template_view(each) for _, each in shown],
        "next_cursor": last and write_cursor(session, caller, of="templates", at=last),
    }


@manage.get("/templates/<code:template>")
@requires(Role.STAFF, may=Permission.COUPON_READ)
@reads(TemplateSchema)
def get_template(session: Session, _caller: ActingStaff, template: str) -> Mapping[str, Any]:
    """Return the newest version of a template."""
    return template_view(batches.list_templates(session, code=template)[0])


@manage.get("/templates/<code:template>/versions")
@requires(Role.STAFF, may=Permission.COUPON_READ)
@reads(TemplateVersionsSchema)
def list_template_versions(
    session: Session, _caller: ActingStaff, template: str
) -> Mapping[str, Any]:
    """Return every version of a template, the newest first."""
    found = batches.list_templates(session, code=template)
    return {"versions": [template_view(each) for each in found]}


@manage.post("/templates")
@requires(Role.STAFF, may=Permission.COUPON_WRITE)
@writes(AddTemplateSchema, TemplateSchema)
def add_template(session: Session, caller: ActingStaff, asked: AskedTemplate) -> Mapping[str, Any]:
    """Write a template down, or its next version; the same again is no new version."""
    template = (
        templates.load(asked.template)
        if asked.preset is None
        else presets.made(asked.preset, asked.values or {})
    )
    return template_view(room.add_template(session, template, by=caller.public_id))


@manage.post("/templates/<code:template>/retire")
@requires(Role.STAFF, may=Permission.COUPON_WRITE)
@writes(RetireSchema, RetiredSchema, status=HTTPStatus.OK)
def retire_template(
    session: Session, caller: ActingStaff, asked: AskedReason, template: str
) -> Mapping[str, Any]:
    """End a template and close its batches; coupons that are out stay good."""
    closed = room.retire(session, template, by=caller.public_id, reason=asked.reason)
    return {"template": template, "closed": closed}


def template_view(listed: ListedTemplate) -> Mapping[str, Any]:
    """Return a version of a template as staff see it."""
    return {
        "template": listed.template.code,
        "version": listed.version,
        "zh": listed.template.title_zh,
        "en": listed.template.title_en,
        "created_by": listed.created_by,
        "created_at": listed.created_at,
        "retired_at": listed.retired_at,
        "document": templates.dump(listed.template),
    }
