"""The members' API with every resource on it: importing one puts its views on the blueprint."""

from app.api.member import (
    agreeing,
    burns,
    closing,
    exports,
    member,
    orders,
    points,
    profile,
    sessions,
)

RESOURCES = (sessions, profile, points, orders, agreeing, burns, exports, closing)

__all__ = ["RESOURCES", "member"]
