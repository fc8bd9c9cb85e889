"""The API explained in a browser: made from the documents, the description and the problems."""

from apiflask import APIBlueprint

reading = APIBlueprint("reading", __name__, template_folder="templates", enable_openapi=False)
