"""The pages with all their routes: importing a module puts its views on the blueprint."""

from app.api.reading import pages, reading, signing

PARTS = (pages, signing)

__all__ = ["PARTS", "reading"]
