"""The management API, version 1: what the console and integrators ask for the district's staff."""

from apiflask import APIBlueprint

manage = APIBlueprint("manage", __name__, url_prefix="/v1/manage")
