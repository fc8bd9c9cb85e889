"""The members' API with every resource on it: importing one puts its views on the blueprint."""

from app.api.member import burns, member, sessions

RESOURCES = (sessions, burns)

__all__ = ["RESOURCES", "member"]
