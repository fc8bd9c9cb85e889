"""The members' API with every resource on it: importing one puts its views on the blueprint."""

from app.api.member import (
    agreeing,
    burns,
    check_ins,
    claims,
    closing,
    coupons,
    exports,
    gifts,
    mall,
    member,
    offers,
    offline,
    orders,
    points,
    profile,
    proving,
    referrals,
    sessions,
    shares,
)

RESOURCES = (
    sessions, profile, points, proving, orders, agreeing, burns, gifts, check_ins,
    claims, referrals, exports, closing, offers, coupons, shares, mall, offline,
)  # fmt: skip

__all__ = ["RESOURCES", "member"]
