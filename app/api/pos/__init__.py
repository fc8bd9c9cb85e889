"""The tills' API, version 1: one module a resource, its schemas, then its views."""

from apiflask import APIBlueprint

pos = APIBlueprint("pos", __name__, url_prefix="/v1/pos")
