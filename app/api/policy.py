"""Who may call what: one row a route, and no row means no route (reliability §0 rule 8, §11)."""

from collections.abc import Mapping

from apiflask import APIFlask
from flask import abort, request

from app.api.auth import Role
from app.merchants.staff import Permission

POLICY: Mapping[str, Role] = {
    "health.alive": Role.SUPERVISOR,
    "health.ready": Role.SUPERVISOR,
    "health.metrics": Role.SUPERVISOR,
    "meta.read_openapi": Role.ANYONE,
    "reading.read_start": Role.ANYONE,
    "reading.read_page": Role.ANYONE,
    "reading.read_asset": Role.ANYONE,
    "reading.read_sample": Role.ANYONE,
    "reading.explain_problem": Role.ANYONE,
    "reading.explain_signature": Role.ANYONE,
    "pos.read_time": Role.ANYONE,
    "pos.identify": Role.STORE,
    "pos.make_quote": Role.STORE,
    "pos.validate_coupons": Role.STORE,
    "pos.look_up_coupon": Role.STORE,
    "pos.exchange_paper": Role.STORE,
    "pos.look_up_reward": Role.STORE,
    "pos.pick_up_reward": Role.STORE,
    "pos.place_order": Role.STORE,
    "pos.pay_order": Role.STORE,
    "pos.cancel_order": Role.STORE,
    "pos.extend_order": Role.STORE,
    "pos.tell_event": Role.STORE,
    "pos.get_order": Role.STORE,
    "pos.find_order": Role.STORE,
    "pos.list_refunds": Role.STORE,
    "pos.refund_order": Role.STORE,
    "pos.try_refund": Role.STORE,
    "pos.void_order": Role.STORE,
    "pos.roll_back_coupon": Role.STORE,
    "pos.try_roll_back": Role.STORE,
    "pos.exchange_order": Role.STORE,
    "pos.authorise_burn": Role.STORE,
    "pos.capture_burn": Role.STORE,
    "pos.void_burn": Role.STORE,
    "pos.get_burn": Role.STORE,
    "pos.find_burn": Role.STORE,
    "pos.upload_orders": Role.STORE,
    "pos.read_offline_keys": Role.STORE,
    "pos.read_totals": Role.STORE,
    "pos.close_totals": Role.STORE,
    "pos.list_z_totals": Role.STORE,
    "pos.make_member_code": Role.STORE,
    "member.send_sign_in_code": Role.ANYONE,
    "member.start_session": Role.ANYONE,
    "member.refresh_session": Role.ANYONE,
    "member.end_session": Role.MEMBER,
    "member.end_all_sessions": Role.MEMBER,
    "member.make_code_seed": Role.MEMBER,
    "member.get_profile": Role.MEMBER,
    "member.change_profile": Role.MEMBER,
    "member.list_memberships": Role.MEMBER,
    "member.get_balance": Role.MEMBER,
    "member.get_statement": Role.MEMBER,
    "member.prove_movement": Role.MEMBER,
    "member.list_own_orders": Role.MEMBER,
    "member.get_own_order": Role.MEMBER,
    "member.list_consents": Role.MEMBER,
    "member.decide_consent": Role.MEMBER,
    "member.get_closing": Role.MEMBER,
    "member.close_account": Role.MEMBER,
    "member.undo_closing": Role.MEMBER,
    "member.ask_export": Role.MEMBER,
    "member.fetch_export": Role.MEMBER,
    "member.list_own_burns": Role.MEMBER,
    "member.confirm_burn": Role.MEMBER,
    "member.give_points": Role.MEMBER,
    "member.list_gifts": Role.MEMBER,
    "member.check_in": Role.MEMBER,
    "member.get_streak": Role.MEMBER,
    "member.claim_order": Role.MEMBER,
    "member.make_referral_code": Role.MEMBER,
    "member.list_referrals": Role.MEMBER,
    "member.list_offers": Role.MEMBER,
    "member.claim_coupon": Role.MEMBER,
    "member.list_own_coupons": Role.MEMBER,
    "member.get_own_coupon": Role.MEMBER,
    "member.show_coupon_code": Role.MEMBER,
    "member.exchange_code": Role.MEMBER,
    "member.share_coupon": Role.MEMBER,
    "manage.start_staff_session": Role.ANYONE,
    "manage.end_staff_session": Role.STAFF,
    "manage.get_own_staff": Role.STAFF,
    "manage.try_quote": Role.STAFF,
    "manage.list_presets": Role.STAFF,
    "manage.list_templates": Role.STAFF,
    "manage.get_template": Role.STAFF,
    "manage.list_template_versions": Role.STAFF,
    "manage.list_batches": Role.STAFF,
    "manage.get_batch": Role.STAFF,
    "manage.list_batch_requests": Role.STAFF,
    "manage.add_template": Role.STAFF,
    "manage.retire_template": Role.STAFF,
    "manage.open_batch": Role.STAFF,
    "manage.close_batch": Role.STAFF,
    "manage.withdraw_batch": Role.STAFF,
    "manage.grant_coupons": Role.STAFF,
    "manage.void_coupons": Role.STAFF,
    "manage.void_batch": Role.STAFF,
    "manage.make_codes": Role.STAFF,
    "manage.fetch_codes": Role.STAFF,
    "manage.import_codes": Role.STAFF,
    "manage.approve_batch": Role.STAFF,
    "manage.reject_batch": Role.STAFF,
    "manage.list_code_runs": Role.STAFF,
    "manage.get_code_run": Role.STAFF,
    "member.make_share": Role.MEMBER,
    "member.end_share": Role.MEMBER,
    "member.accept_share": Role.MEMBER,
    "member.list_mall": Role.MEMBER,
    "member.take_item": Role.MEMBER,
    "member.list_takings": Role.MEMBER,
    "member.get_taking": Role.MEMBER,
    "member.show_pick_up_code": Role.MEMBER,
    "member.cancel_taking": Role.MEMBER,
    "member.make_out_coupon": Role.MEMBER,
}
"""Endpoint → whom it is for; `requires` on the view has to say the same."""

STAFF_MAY: Mapping[str, Permission | None] = {
    "manage.end_staff_session": None,
    "manage.get_own_staff": None,
    "manage.try_quote": Permission.COUPON_READ,
    "manage.list_presets": Permission.COUPON_READ,
    "manage.list_templates": Permission.COUPON_READ,
    "manage.get_template": Permission.COUPON_READ,
    "manage.list_template_versions": Permission.COUPON_READ,
    "manage.list_batches": Permission.COUPON_READ,
    "manage.get_batch": Permission.COUPON_READ,
    "manage.list_batch_requests": Permission.COUPON_READ,
    "manage.add_template": Permission.COUPON_WRITE,
    "manage.retire_template": Permission.COUPON_WRITE,
    "manage.open_batch": Permission.COUPON_WRITE,
    "manage.close_batch": Permission.COUPON_WRITE,
    "manage.withdraw_batch": Permission.COUPON_WRITE,
    "manage.grant_coupons": Permission.COUPON_WRITE,
    "manage.void_coupons": Permission.COUPON_WRITE,
    "manage.void_batch": Permission.COUPON_WRITE,
    "manage.make_codes": Permission.COUPON_WRITE,
    "manage.fetch_codes": Permission.COUPON_WRITE,
    "manage.import_codes": Permission.COUPON_WRITE,
    "manage.approve_batch": Permission.COUPON_APPROVE,
    "manage.reject_batch": Permission.COUPON_APPROVE,
    "manage.list_code_runs": Permission.COUPON_READ,
    "manage.get_code_run": Permission.COUPON_READ,
}
"""Endpoint of staff → what they must be allowed to do; None: nothing more than to be staff."""


def deny_by_default(app: APIFlask) -> None:
    """Answer 404 for every route that the policy does not name, or whose view says otherwise."""
    policy: Mapping[str, Role] = app.extensions["plaza_policy"]
    staff_may: Mapping[str, Permission | None] = app.extensions["plaza_staff_may"]

    @app.before_request
    def admit() -> None:
        if request.url_rule is None:
            return  # The router answers 404 or 405.
        endpoint = request.url_rule.endpoint
        row = policy.get(endpoint)
        if row is None or row is not role_of(app, endpoint):
            abort(404)
        if row is Role.STAFF and staff_may.get(endpoint, _NO_ROW) != may_of(app, endpoint):
            abort(404)


def may_of(app: APIFlask, endpoint: str) -> Permission | None:
    """Return what the view of an endpoint says that staff must be allowed to do."""
    may = getattr(app.view_functions[endpoint], "may", None)
    return may if isinstance(may, Permission) else None


def role_of(app: APIFlask, endpoint: str) -> Role | None:
    """Return whom the view of an endpoint says that it is for."""
    role = getattr(app.view_functions[endpoint], "role", None)
    return role if isinstance(role, Role) else None


_NO_ROW = ""
