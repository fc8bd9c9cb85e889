"""The members' API, version 1: what the district's app and pages ask for one member."""

from apiflask import APIBlueprint

member = APIBlueprint("member", __name__, url_prefix="/v1/member")
