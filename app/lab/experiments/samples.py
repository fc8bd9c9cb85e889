"""A right request for every route, made for whoever calls: what the experiments spoil.

Routes come from the URL map. One that is added later and takes no body needs nothing here; one that
takes a body stops the experiments that would send it, until it has its sample.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.api.auth import Role, SignedIn
from app.api.member.proving import line_of
from app.api.signing import SCHEME
from app.campaigns import mall
from app.campaigns.mall import NewItem
from app.checkout import burns, orders, quotes, takings
from app.checkout.baskets import Tender
from app.clock import business_date, server_now
from app.errors import NotFound
from app.lab.experiments.district import DISTRICT, basket, member_of, sold, till_of
from app.lab.experiments.routes import Ask, Route
from app.lab.experiments.samples_of_manage import MANAGE_SAMPLES, MANAGE_THINGS, coupon_batch
from app.lab.experiments.stage import Stage
from app.members import (
    closing,
    confirming,
    devices,
    enrolment,
    exporting,
    presence,
    refreshing,
    sign_in,
)
from app.members.arrivals import NewMember
from app.members.closing import Leftover
from app.members.models import Source
from app.members.presence import Mode
from app.members.purposes import Purpose, current_text
from app.members.sealing import coupon_keys
from app.points import statements
from config.database import new_id, now_of
from coupons import codes, issuing, runs, shares, wallets

FEN = 3_000
POINTS = 100
COUPON_FEN = 100
LINE: dict[str, Any] = {
    "sku": "6901",
    "name": "龙井",
    "category": "tea",
    "amount_fen": FEN,
    "quantity": 3,
}
CASH: list[dict[str, Any]] = [{"name": "cash", "fen": FEN}]


class NoSample(NotFound):
    """A route takes a body and nobody has said what a right one is."""

    def __init__(self, endpoint: str) -> None:
        super().__init__("sample", f"{endpoint} (app/lab/experiments/samples.py)")


def ask_for(route: Route, stage: Stage) -> Ask:
    """Return a right request for a route.

    Raises:
        NoSample: it takes a body, and there is no sample of it.
    """
    sample = _SAMPLES.get(route.endpoint)
    if sample is not None:
        return sample(stage)
    takes = route.contract.takes if route.contract else None
    query = route.contract.query if route.contract else None
    needs = [
        *(takes().fields.values() if takes else ()),
        *(query().fields.values() if query else ()),
    ]
    if any(each.required for each in needs):
        raise NoSample(route.endpoint)
    return Ask(
        ids={name: thing(name, route.role, stage) for name in sorted(route.rule.arguments)},
        body=None if takes is None else {},
    )


def thing(name: str, role: Role, stage: Stage) -> str:
    """Return the id of something that is the caller's own.

    Raises:
        NoSample: nobody has said how such a thing comes to be.
    """
    make = _THINGS.get((role, name))
    if make is None:
        raise NoSample(f"{role} {name}")
    return make(stage)


def absent(public_id: str) -> str:
    """Return an id of the same kind that nothing has."""
    return new_id(public_id.partition("_")[0])


def _at(stage: Stage) -> dict[str, Any]:
    return {"terminal_id": stage.desk.tills[0], "cashier_id": "007"}


def _sale(stage: Stage) -> dict[str, Any]:
    return {**_at(stage), "number": new_id("n"), "lines": [LINE], "tenders": CASH}


def _placed(stage: Stage) -> str:
    return orders.place(stage.session, basket(stage.session, stage.desk, fen=FEN)).public_id


def _paid(stage: Stage) -> str:
    return sold(stage.session, stage.desk, fen=FEN)


def _own_order(stage: Stage) -> str:
    return sold(stage.session, stage.desk, fen=FEN, person=stage.person)


def _found_by_number(stage: Stage) -> Ask:
    order = orders.get_locked(stage.session, _paid(stage))
    return Ask(query={"terminal_id": stage.desk.tills[0], "number": order.number})


def _refunded(stage: Stage, **fields: object) -> Ask:
    return Ask(ids={"order_id": _paid(stage)}, body={**_at(stage), "number": new_id("r"), **fields})


def _with_coupon(stage: Stage, **fields: object) -> Ask:
    """Sell with a coupon of ¥1, to be taken back alone."""
    coupon = _coupon(stage)
    wish = basket(stage.session, stage.desk, fen=FEN, person=stage.person)
    paid = [Tender(name="cash", fen=FEN - COUPON_FEN)]
    order = orders.sell(stage.session, replace(wish, coupons=[coupon]), paid)
    ids = {"order_id": order.public_id, "coupon_id": coupon}
    return Ask(ids=ids, body={**_at(stage), **fields})


def _rolled_back(stage: Stage) -> Ask:
    paid = [{"name": "cash", "fen": COUPON_FEN}]
    return _with_coupon(stage, number=new_id("k"), tenders=paid)


def _exchanged(stage: Stage) -> Ask:
    body = {**_sale(stage), "refund_number": new_id("r")}
    return Ask(ids={"order_id": _paid(stage)}, body=body)


def _uploaded(stage: Stage) -> Ask:
    sale = {**_sale(stage), "occurred_at": now_of(stage.session).isoformat(timespec="seconds")}
    return Ask(body={"orders": [sale]})


def _identification(stage: Stage) -> str:
    till = till_of(stage.session, stage.desk)
    member = member_of(stage.session, stage.person)
    return presence.identify(stage.session, member, terminal_id=till.id, mode=Mode.EARN).public_id


def _quote(stage: Stage) -> str:
    return quotes.quote(stage.session, basket(stage.session, stage.desk, fen=FEN)).public_id


def _burn(stage: Stage) -> str:
    return confirming.ask(
        stage.session,
        member=member_of(stage.session, stage.person),
        terminal_id=till_of(stage.session, stage.desk).id,
        points=1,
        worth_fen=1,
        now=server_now(stage.session),
    ).public_id


def _tapped(stage: Stage) -> str:
    """Return a burn that the member has confirmed on the phone, with points enough for it."""
    member, now = member_of(stage.session, stage.person), server_now(stage.session)
    sold(stage.session, stage.desk, fen=POINTS * 100, person=stage.person)
    asked = confirming.ask(
        stage.session,
        member=member,
        terminal_id=till_of(stage.session, stage.desk).id,
        points=POINTS,
        worth_fen=POINTS,
        now=now,
    )
    return confirming.confirm(stage.session, asked.public_id, member=member, now=now).public_id


def _authorised(stage: Stage) -> burns.Burned:
    sold(stage.session, stage.desk, fen=POINTS * 100, person=stage.person)
    wish = burns.wish(
        terminal=till_of(stage.session, stage.desk),
        member=member_of(stage.session, stage.person),
        number=new_id("b"),
        order_fen=FEN,
        points=POINTS,
        now=now_of(stage.session),
    )
    return burns.authorise(stage.session, wish)


def _authorise(stage: Stage) -> Ask:
    body = {**_at(stage), "number": new_id("b"), "order_fen": FEN, "points": POINTS}
    return Ask(body={**body, "burn_confirmation": _tapped(stage)})


def _burn_by_number(stage: Stage) -> Ask:
    number = _authorised(stage).number
    return Ask(query={"terminal_id": stage.desk.tills[0], "number": number})


def _burn_ended(stage: Stage) -> Ask:
    return Ask(ids={"burn_id": _authorised(stage).public_id}, body=_at(stage))


def _signed(stage: Stage) -> Ask:
    said = f'key_id="{stage.desk.key_id}",timestamp="1768464000",nonce="{"n" * 16}",signature="A"'
    headers = f"Authorization: {SCHEME} {said}"
    return Ask(body={"method": "GET", "path": "/v1/pos/time", "headers": headers})


def _export(stage: Stage) -> str:
    member = member_of(stage.session, stage.person)
    return exporting.ask(stage.session, member=member, now=server_now(stage.session)).public_id


def _leaving(stage: Stage, *, wanted: bool) -> None:
    """See that the member is leaving, or is not."""
    member, now = member_of(stage.session, stage.person), server_now(stage.session)
    is_leaving = closing.find(stage.session, member) is not None
    if wanted and not is_leaving:
        closing.ask(
            stage.session, member=member, points=Leftover.BURN, evidence={"door": "lab"}, now=now
        )
    elif is_leaving and not wanted:
        closing.undo(stage.session, member=member, now=now)


def _proof(stage: Stage) -> Ask:
    sold(stage.session, stage.desk, fen=FEN, person=stage.person)
    member = member_of(stage.session, stage.person)
    now = server_now(stage.session)
    device = devices.open_on(stage.session, member=member, source="web", now=now)
    today = business_date(now_of(stage.session))
    newest = statements.movements(
        stage.session, member, start=today, end=today + timedelta(days=1), limit=1
    )[0]
    return Ask(query={"line": line_of(stage.session, SignedIn(device=device), newest)})


def _claim(stage: Stage) -> Ask:
    order = orders.get_locked(stage.session, _paid(stage))
    store = till_of(stage.session, stage.desk).store.code
    body = {"store": store, "number": order.number, "amount_fen": order.total_fen}
    return Ask(body={**body, "day": order.business_date.isoformat()})


def _friend(stage: Stage) -> str:
    """Return the phone of a member who is not the caller."""
    phone = f"+86196{int.from_bytes(new_id('x')[-6:].encode()) % 10**8:08d}"
    enrolment.enrol(stage.session, NewMember(source=Source.WEB, phone=phone))
    return phone


def _coupon(stage: Stage) -> str:
    batch = coupon_batch(stage)
    return issuing.claim(stage.session, batch=batch, holder=stage.person.member)[0].coupon


def _exchanged_code(stage: Stage, **fields: object) -> Ask:
    batch, keys = coupon_batch(stage), coupon_keys(stage.session)
    run = runs.open_run(
        stage.session, batch=batch, name="lab", wanted=None, keys=keys, by="system:lab"
    )
    written = codes.new_code()
    runs.take_over(stage.session, run, [(1, written)], keys=keys)
    return Ask(body={**fields, "code": written})


def _code_shown(stage: Stage) -> Ask:
    keys, holders = coupon_keys(stage.session), (stage.person.member,)
    shown = codes.show(stage.session, coupon=_coupon(stage), holders=holders, keys=keys)
    return Ask(body={**_at(stage), "code": shown})


def _shared_coupon(stage: Stage) -> Ask:
    return Ask(ids={"coupon_id": _coupon(stage)}, body={"phone": _friend(stage)})


def _share_accepted(stage: Stage) -> Ask:
    """Return the link of somebody else, for the caller to accept."""
    keys, giver = coupon_keys(stage.session), new_id("mem")
    batch = coupon_batch(stage)
    (given,) = issuing.claim(stage.session, batch=batch, holder=giver)
    until = now_of(stage.session) + timedelta(days=1)
    link = shares.share(stage.session, coupon=given.coupon, giver=giver, until=until, keys=keys)
    return Ask(body={"token": link.token})


def _mall_item(stage: Stage) -> str:
    """Put goods up that the caller has points for."""
    sold(stage.session, stage.desk, fen=POINTS * 100, person=stage.person)
    now = now_of(stage.session)
    new = NewItem(
        code=new_id("i"),
        title_zh="实验品",
        title_en="A thing of the lab",
        merchant=till_of(stage.session, stage.desk).store.merchant.code,
        points=1,
        stock=1,
        starts_at=now - timedelta(days=1),
        ends_at=now + timedelta(days=1),
    )
    mall.put_up(stage.session, new, by="system:lab", reason="lab")
    return new.code


def _taking(stage: Stage) -> str:
    member = member_of(stage.session, stage.person)
    return takings.take(stage.session, member, item=_mall_item(stage), points=1).public_id


def _reward_shown(stage: Stage) -> Ask:
    member, taking = member_of(stage.session, stage.person), _taking(stage)
    return Ask(body={**_at(stage), "code": takings.show_code(stage.session, member, taking)})


def _made_out(stage: Stage) -> Ask:
    """Those of before are called back: nobody has more than three out."""
    held = wallets.wallet(stage.session, holders=[stage.person.member])
    issuing.void(
        stage.session, [each.coupon for each in held if each.made_out_for], why="made out before"
    )
    return Ask(ids={"coupon_id": _coupon(stage)}, body={"store_id": stage.desk.store_code})


def _close(stage: Stage) -> Ask:
    _leaving(stage, wanted=False)
    return Ask(body={"points": "burn"})


def _stay(stage: Stage) -> Ask:
    _leaving(stage, wanted=True)
    return Ask(body={})


def _decision(_: Stage) -> Ask:
    version = current_text(Purpose.MARKETING).version
    return Ask(
        body={"purpose": "marketing", "channel": "sms", "decision": "given", "version": version}
    )


def _sign_in(stage: Stage) -> Ask:
    now = server_now(stage.session)
    phone = f"+86197{int.from_bytes(new_id('x')[-6:].encode()) % 10**8:08d}"
    made = sign_in.make_code(stage.session, phone, now=now, sends=False)
    version = current_text(Purpose.MEMBERSHIP).version
    return Ask(
        body={"district": DISTRICT, "phone": phone, "code": made.code, "consent_version": version}
    )


def _code(_: Stage) -> Ask:
    phone = f"+86197{int.from_bytes(new_id('x')[-6:].encode()) % 10**8:08d}"
    return Ask(body={"district": DISTRICT, "phone": phone})


def _refresh(stage: Stage) -> Ask:
    now = server_now(stage.session)
    member = member_of(stage.session, stage.person)
    device = devices.open_on(stage.session, member=member, source="web", now=now)
    return Ask(body={"refresh_token": refreshing.issue(stage.session, device, now=now).token})


ANSWERED: Mapping[str, str] = {"member.prove_movement": "409 not-sealed-yet"}
"""What a right request gets where that is not 2xx: today's movements are sealed tomorrow."""

USED_WITH: Mapping[tuple[str, str], Mapping[str, object]] = {
    # Whoever exchanges need not be there, unless points are burned.
    ("pos.exchange_order", "identification_id"): {"burn_points": 1},
    ("pos.exchange_order", "burn_confirmation"): {"burn_points": 1},
}
"""What a body says besides, for a thing in it to be of any use."""

_THINGS: Mapping[tuple[Role, str], Callable[[Stage], str]] = {
    (Role.STORE, "order_id"): _paid,
    (Role.STORE, "identification_id"): _identification,
    (Role.STORE, "quote_id"): _quote,
    (Role.STORE, "burn_id"): lambda stage: _authorised(stage).public_id,
    (Role.STORE, "burn_confirmation"): _tapped,
    (Role.MEMBER, "order_id"): _own_order,
    (Role.MEMBER, "burn_id"): _burn,
    (Role.MEMBER, "export_id"): _export,
    (Role.MEMBER, "coupon_id"): _coupon,
    **{(Role.STAFF, name): make for name, make in MANAGE_THINGS.items()},
    (Role.MEMBER, "taking_id"): _taking,
}
"""How a thing of the caller's own comes to be, by the name of its id in a path or a body."""

_SAMPLES: Mapping[str, Callable[[Stage], Ask]] = {
    "pos.identify": lambda stage: Ask(body={**_at(stage), "phone": stage.person.phone}),
    "pos.make_quote": lambda stage: Ask(body={**_at(stage), "lines": [LINE]}),
    "pos.validate_coupons": lambda stage: Ask(body={**_at(stage), "lines": [LINE]}),
    "pos.look_up_coupon": _code_shown,
    "pos.exchange_paper": lambda stage: _exchanged_code(stage, **_at(stage)),
    "pos.look_up_reward": _reward_shown,
    "pos.pick_up_reward": _reward_shown,
    "pos.place_order": lambda stage: Ask(body=_sale(stage)),
    "pos.pay_order": lambda stage: Ask(
        ids={"order_id": _placed(stage)}, body={**_at(stage), "tenders": CASH}
    ),
    "pos.cancel_order": lambda stage: Ask(ids={"order_id": _placed(stage)}, body=_at(stage)),
    "pos.extend_order": lambda stage: Ask(ids={"order_id": _placed(stage)}, body=_at(stage)),
    "pos.tell_event": lambda stage: Ask(
        ids={"order_id": _paid(stage)}, body={**_at(stage), "event": "order.collected"}
    ),
    "pos.find_order": _found_by_number,
    "pos.refund_order": lambda stage: _refunded(stage, parts=[{"line": 1, "quantity": 1}]),
    "pos.try_refund": lambda stage: Ask(ids={"order_id": _paid(stage)}, body=_at(stage)),
    "pos.void_order": _refunded,
    "pos.roll_back_coupon": _rolled_back,
    "pos.try_roll_back": _with_coupon,
    "pos.exchange_order": _exchanged,
    "pos.upload_orders": _uploaded,
    "pos.authorise_burn": _authorise,
    "pos.capture_burn": _burn_ended,
    "pos.void_burn": _burn_ended,
    "pos.find_burn": _burn_by_number,
    "pos.make_member_code": lambda stage: Ask(body=_at(stage)),
    "pos.close_totals": lambda stage: Ask(body={**_at(stage), "number": new_id("z")}),
    "pos.list_z_totals": lambda stage: Ask(query={"terminal_id": stage.desk.tills[0]}),
    "pos.read_totals": lambda stage: Ask(query={"terminal_id": stage.desk.tills[0]}),
    "reading.explain_signature": _signed,
    "member.send_sign_in_code": _code,
    "member.start_session": _sign_in,
    "member.refresh_session": _refresh,
    "member.change_profile": lambda _: Ask(body={"name": "王五"}),
    "member.decide_consent": _decision,
    "member.give_points": lambda stage: Ask(body={"phone": stage.person.phone, "points": POINTS}),
    "member.prove_movement": _proof,
    "member.claim_order": _claim,
    "member.claim_coupon": lambda stage: Ask(body={"batch": coupon_batch(stage)}),
    "member.exchange_code": _exchanged_code,
    "member.share_coupon": _shared_coupon,
    "member.accept_share": _share_accepted,
    "member.take_item": lambda stage: Ask(body={"item": _mall_item(stage), "points": 1}),
    "member.make_out_coupon": _made_out,
    "member.close_account": _close,
    "member.undo_closing": _stay,
    **MANAGE_SAMPLES,
}
