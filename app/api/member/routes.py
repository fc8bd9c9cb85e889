"""The members' API with every resource on it: importing one puts its views on the blueprint."""

from app.api.member import (
    agreeing,
    burns,
    closing,
    exports,
    gifts,
    member,
    orders,
    points,
    profile,
    sessions,
)

RESOURCES = (sessions, profile, points, orders, agreeing, burns, gifts, exports, closing)

__all__ = ["RESOURCES", "member"]
