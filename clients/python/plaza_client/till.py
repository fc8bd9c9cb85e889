"""A till: every call of the tills' API as a function of plain values."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

from plaza_client.coupons import FoundCoupon, Reward, RolledBack, Validated
from plaza_client.offline import OfflineKeys, keys_of
from plaza_client.sending import PATIENCE_SECONDS, TIMEOUT_SECONDS, Key, Sender
from plaza_client.totals import Totals, ZReport
from plaza_client.values import (
    Burn,
    Captured,
    Exchange,
    Identification,
    Line,
    ListedOrder,
    ListedRefund,
    Order,
    Page,
    Quote,
    Refund,
    RefundPart,
    Tender,
    TriedRefund,
    Verdict,
    Write,
    read,
    read_exchange,
    read_page,
    read_verdicts,
    written,
)

T = TypeVar("T")

_BASE = "/v1/pos"


class Till:
    """One terminal of a store and the cashier who stands at it.

    A write may be given its idempotency `key`; else it gets a fresh one. `before_send` is told each
    write before its first send, to be kept over a power cut and sent again by `repeat`. Tills may
    share one `connection`, if they take turns. Not for several threads at once.

    Every call raises:
        Refused: Plaza said no, by the class of its family; `detail` is for the cashier.
        Unanswered: no answer within `patience_seconds`; `repeat` the write that it tells.
    """

    def __init__(
        self,
        *,
        base_url: str,
        key_id: str,
        secret: bytes,
        terminal_id: str,
        cashier_id: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        before_send: Callable[[Write], None] | None = None,
        connection: requests.Session | None = None,
    ) -> None:
        self._sender = Sender(
            base_url=base_url,
            key=Key(key_id=key_id, secret=secret),
            timeout_seconds=timeout_seconds,
            patience_seconds=patience_seconds,
            before_send=before_send,
            connection=connection,
        )
        self._here = {"terminal_id": terminal_id, "cashier_id": cashier_id}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, unless it is shared."""
        self._sender.close()

    def time(self) -> datetime:
        """Return the server's clock."""
        return datetime.fromisoformat(self._sender.get(f"{_BASE}/time").body["now"])

    def set_clock(self) -> float:
        """Take the server's clock for signatures; return by how many seconds ours is off."""
        return self._sender.set_clock()

    def identify(
        self,
        *,
        member_code: str | None = None,
        phone: str | None = None,
        card_number: str | None = None,
    ) -> Identification:
        """Find a member by one of these; show the masked name to confirm.

        A code is good once, and whether points may be burned is up to it. By phone or card a member
        earns alone.
        """
        body = self._here | _said(member_code=member_code, phone=phone, card_number=card_number)
        return read(Identification, self._sender.ask(f"{_BASE}/identify", body).body)

    def quote(
        self,
        *,
        lines: Sequence[Line],
        identification_id: str | None = None,
        burn_points: int = 0,
        coupons: Sequence[str] = (),
        best_coupons: bool = False,
        occurred_at: datetime | None = None,
    ) -> Quote:
        """Ask what a basket costs, may burn and would earn.

        `coupons` are ids or codes; `best_coupons` lets the member's be chosen that save most.
        """
        body = self._basket(lines, identification_id, burn_points, occurred_at)
        body |= _coupons(coupons, best=best_coupons)
        return read(Quote, self._sender.ask(f"{_BASE}/quotes", body).body)

    def validate_coupons(
        self,
        *,
        lines: Sequence[Line],
        coupons: Sequence[str] = (),
        best_coupons: bool = False,
        identification_id: str | None = None,
        tenders: Sequence[Tender] | None = None,
    ) -> Validated:
        """Ask which coupons a basket can use, and of the others every condition and gap."""
        body = self._basket(lines, identification_id, 0, None)
        body |= _coupons(coupons, best=best_coupons)
        if tenders is not None:
            body["tenders"] = [written(tender) for tender in tenders]
        return read(Validated, self._sender.ask(f"{_BASE}/coupons/validate", body).body)

    def look_up_coupon(self, code: str, *, identification_id: str | None = None) -> FoundCoupon:
        """Ask which coupon a code is; a personal one is told for its holder alone."""
        body = {**self._here, "code": code, **_said(identification_id=identification_id)}
        return read(FoundCoupon, self._sender.ask(f"{_BASE}/coupons/look-up", body).body)

    def exchange_code(self, code: str, *, identification_id: str | None = None) -> FoundCoupon:
        """Make a printed code a coupon: the identified member's, else of whoever shows it."""
        body = {**self._here, "code": code, **_said(identification_id=identification_id)}
        return read(FoundCoupon, self._sender.ask(f"{_BASE}/coupons/exchanges", body).body)

    def look_up_reward(self, code: str) -> Reward:
        """Ask what waits by the code of a reward, and what is to be paid with it."""
        body = {**self._here, "code": code}
        return read(Reward, self._sender.ask(f"{_BASE}/mall/look-up", body).body)

    def pick_up_reward(
        self, code: str, *, number: str | None = None, tenders: Sequence[Tender] = ()
    ) -> Reward:
        """Hand out what waits by a code, once; `number` and `tenders` are of the cash part.

        Sent again it is `repeated`: hand out nothing then, unless the first answer was lost.
        """
        paid = [written(tender) for tender in tenders]
        body = {**self._here, "code": code, "tenders": paid, **_said(number=number)}
        return read(Reward, self._sender.ask(f"{_BASE}/mall/pick-ups", body).body)

    def sell(
        self,
        *,
        number: str,
        lines: Sequence[Line],
        tenders: Sequence[Tender],
        identification_id: str | None = None,
        burn_points: int = 0,
        coupons: Sequence[str] = (),
        best_coupons: bool = False,
        quote_id: str | None = None,
        burn_confirmation: str | None = None,
        occurred_at: datetime | None = None,
        key: str | None = None,
    ) -> Order:
        """Sell in one step; `number` is the till's own, unique for ever.

        A `Conflict` with a `burn_id` waits for the member's tap: call again with it as
        `burn_confirmation`, the same number and a fresh key.
        """
        body = self._basket(lines, identification_id, burn_points, occurred_at)
        body |= _coupons(coupons, best=best_coupons)
        body |= {"number": number, "tenders": [written(tender) for tender in tenders]}
        said = _said(quote_id=quote_id, burn_confirmation=burn_confirmation)
        return self._order("/orders", body | said, key)

    def place(
        self,
        *,
        number: str,
        lines: Sequence[Line],
        identification_id: str | None = None,
        burn_points: int = 0,
        coupons: Sequence[str] = (),
        best_coupons: bool = False,
        quote_id: str | None = None,
        burn_confirmation: str | None = None,
        key: str | None = None,
    ) -> Order:
        """Place an order that waits for payment; its points are held for some minutes."""
        body = self._basket(lines, identification_id, burn_points, None)
        body |= _coupons(coupons, best=best_coupons)
        said = _said(number=number, quote_id=quote_id, burn_confirmation=burn_confirmation)
        return self._order("/orders", body | said, key)

    def pay(self, order_id: str, *, tenders: Sequence[Tender], key: str | None = None) -> Order:
        """Pay a placed order."""
        body = {**self._here, "tenders": [written(tender) for tender in tenders]}
        return self._order(f"/orders/{order_id}/payment", body, key)

    def extend(self, order_id: str, *, key: str | None = None) -> Order:
        """Give a placed order more time to be paid; it keeps its coupons and points as long."""
        return self._order(f"/orders/{order_id}/extension", dict(self._here), key)

    def cancel(self, order_id: str, *, key: str | None = None) -> Order:
        """Give up an order before payment."""
        return self._order(f"/orders/{order_id}/cancellation", dict(self._here), key)

    def tell_event(self, order_id: str, event: str, *, key: str | None = None) -> int:
        """Say that an event of an order has come; return the points that became active by it."""
        body = {**self._here, "event": event}
        reply = self._sender.post(f"{_BASE}/orders/{order_id}/events", body, key=key)
        return int(reply.body["activated_points"])

    def refund(
        self,
        order_id: str,
        *,
        number: str,
        parts: Sequence[RefundPart] = (),
        occurred_at: datetime | None = None,
        key: str | None = None,
    ) -> Refund:
        """Give back parts of an order, or without parts all that is left."""
        body = {**self._here, **_said(number=number, occurred_at=_instant(occurred_at))}
        body |= _parts(parts)
        return self._refund(f"/orders/{order_id}/refunds", body, key)

    def void(self, order_id: str, *, number: str, key: str | None = None) -> Refund:
        """Undo a sale of this very day as a whole."""
        return self._refund(f"/orders/{order_id}/void", {**self._here, "number": number}, key)

    def try_refund(self, order_id: str, *, parts: Sequence[RefundPart] = ()) -> TriedRefund:
        """Ask what a refund would give back; nothing is written."""
        body = {**self._here, **_parts(parts)}
        path = f"{_BASE}/orders/{order_id}/refunds/try"
        return read(TriedRefund, self._sender.ask(path, body).body)

    def try_roll_back(
        self, order_id: str, coupon_id: str, *, parts: Sequence[RefundPart] = ()
    ) -> int:
        """Ask how many fen taking one coupon back alone would cost the customer."""
        path = f"{_BASE}/orders/{order_id}/coupons/{coupon_id}/roll-backs/try"
        return int(self._sender.ask(path, {**self._here, **_parts(parts)}).body["fen"])

    def roll_back(
        self,
        order_id: str,
        coupon_id: str,
        *,
        number: str,
        tenders: Sequence[Tender],
        parts: Sequence[RefundPart] = (),
        key: str | None = None,
    ) -> RolledBack:
        """Take one coupon of an order back alone, or parts of it; the customer pays that."""
        paid = [written(tender) for tender in tenders]
        body = {**self._here, "number": number, "tenders": paid, **_parts(parts)}
        path = f"{_BASE}/orders/{order_id}/coupons/{coupon_id}/roll-backs"
        reply = self._sender.post(path, body, key=key)
        return read(RolledBack, reply.body, replayed=reply.replayed)

    def exchange(
        self,
        order_id: str,
        *,
        refund_number: str,
        number: str,
        lines: Sequence[Line],
        tenders: Sequence[Tender],
        parts: Sequence[RefundPart] = (),
        identification_id: str | None = None,
        burn_points: int = 0,
        burn_confirmation: str | None = None,
        key: str | None = None,
    ) -> Exchange:
        """Give back parts of an order (or all of it) and sell another instead."""
        body = self._basket(lines, identification_id, burn_points, None) | {
            "refund_number": refund_number,
            "number": number,
            "tenders": [written(tender) for tender in tenders],
            **_said(burn_confirmation=burn_confirmation),
        }
        path = f"{_BASE}/orders/{order_id}/exchange"
        reply = self._sender.post(path, body | _parts(parts), key=key)
        return read_exchange(reply.body, replayed=reply.replayed)

    def authorise_burn(
        self,
        *,
        number: str,
        order_fen: int,
        points: int,
        identification_id: str | None = None,
        burn_confirmation: str | None = None,
        key: str | None = None,
    ) -> Burn:
        """Hold points for a sale that the till keeps itself; they are cut as an order's are."""
        body: dict[str, Any] = {
            **self._here,
            **_said(identification_id=identification_id, burn_confirmation=burn_confirmation),
            "number": number,
            "order_fen": order_fen,
            "points": points,
        }
        return self._burn("/burns", body, key)

    def capture_burn(
        self, burn_id: str, *, points: int | None = None, key: str | None = None
    ) -> Burn:
        """Take what a burn holds, or fewer points: the rest is free at once."""
        body: dict[str, Any] = dict(self._here)
        if points is not None:
            body["points"] = points
        return self._burn(f"/burns/{burn_id}/capture", body, key)

    def void_burn(self, burn_id: str, *, key: str | None = None) -> Burn:
        """Give up a burn before it is captured."""
        return self._burn(f"/burns/{burn_id}/void", dict(self._here), key)

    def get_burn(self, burn_id: str) -> Burn:
        """Look a burn up by its id."""
        return read(Burn, self._sender.get(f"{_BASE}/burns/{burn_id}").body)

    def find_burn(self, *, number: str) -> Burn:
        """Look a burn up by this terminal's own number."""
        query = {"terminal_id": self._here["terminal_id"], "number": number}
        return read(Burn, self._sender.get(f"{_BASE}/burns", query).body)

    def upload(self, sales: Sequence[Captured], *, key: str | None = None) -> list[Verdict]:
        """Send what was sold while the line was down, at most 500; one verdict each, in order."""
        orders = [self._captured(sale) for sale in sales]
        reply = self._sender.post(f"{_BASE}/orders/batch", {"orders": orders}, key=key)
        return read_verdicts(reply.body)

    def offline_keys(self) -> OfflineKeys:
        """Ask for what it takes to check coupons offline; keep it on the disk."""
        return keys_of(self._sender.get(f"{_BASE}/offline-keys").body)

    def repeat(self, write: Write) -> Order | Refund | Exchange | RolledBack | list[Verdict]:
        """Send a write that was kept, and return what its first call would have returned.

        A burn or a Z report is repeated by its own call, with the same `key`.

        Raises:
            ValueError: it is one of these; nothing is sent.
        """
        if write.path.startswith((f"{_BASE}/burns", f"{_BASE}/totals")):
            raise ValueError("repeat a burn or a Z report by its own call, with its key")
        reply = self._sender.repeat(write)
        match write.path.rpartition("/")[2]:
            case "batch":
                return read_verdicts(reply.body)
            case "exchange":
                return read_exchange(reply.body, replayed=reply.replayed)
            case "refunds" | "void":
                return read(Refund, reply.body, replayed=reply.replayed)
            case "roll-backs":
                return read(RolledBack, reply.body, replayed=reply.replayed)
            case _:
                return read(Order, reply.body, replayed=reply.replayed)

    def get(self, order_id: str) -> Order:
        """Look an order up by its id."""
        return read(Order, self._sender.get(f"{_BASE}/orders/{order_id}").body)

    def find(self, *, number: str) -> Order:
        """Look an order up by this terminal's own number."""
        query = {"terminal_id": self._here["terminal_id"], "number": number}
        return read(Order, self._sender.get(f"{_BASE}/orders", query).body)

    def totals(self, *, day: date | None = None) -> Totals:
        """Return what this terminal took and gave on a business day, today by default."""
        query = {"terminal_id": self._here["terminal_id"]}
        query |= _said(day=day.isoformat() if day else None)
        return read(Totals, self._sender.get(f"{_BASE}/totals", query).body)

    def close_totals(self, *, number: str, key: str | None = None) -> ZReport:
        """Close what this terminal did since its last Z report."""
        body = {**self._here, "number": number}
        reply = self._sender.post(f"{_BASE}/totals/z", body, key=key)
        return read(ZReport, reply.body, replayed=reply.replayed)

    def list_closed_totals(self) -> list[ZReport]:
        """Return the last hundred Z reports of this terminal, newest first."""
        query = {"terminal_id": self._here["terminal_id"], "limit": "100"}
        body = self._sender.get(f"{_BASE}/totals/z", query).body
        return [read(ZReport, each) for each in body["reports"]]

    def list_orders(
        self,
        *,
        updated_since: datetime | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[ListedOrder]:
        """Return a page of the store's orders by their last change; `cursor` goes on from one."""
        body = self._sender.get(f"{_BASE}/orders", _page(updated_since, cursor, limit)).body
        return read_page(body, [read(ListedOrder, each) for each in body["orders"]])

    def list_refunds(
        self,
        *,
        updated_since: datetime | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[ListedRefund]:
        """Return a page of the store's refunds, oldest first."""
        body = self._sender.get(f"{_BASE}/refunds", _page(updated_since, cursor, limit)).body
        return read_page(body, [read(ListedRefund, each) for each in body["refunds"]])

    def _basket(
        self,
        lines: Sequence[Line],
        identification_id: str | None,
        burn_points: int,
        occurred_at: datetime | None,
    ) -> dict[str, Any]:
        return {
            **self._here,
            "lines": [written(line) for line in lines],
            "burn_points": burn_points,
            **_said(identification_id=identification_id, occurred_at=_instant(occurred_at)),
        }

    def _captured(self, sale: Captured) -> dict[str, Any]:
        return {
            **self._here,
            "number": sale.number,
            "occurred_at": _instant(sale.occurred_at),
            "lines": [written(line) for line in sale.lines],
            "tenders": [written(tender) for tender in sale.tenders],
            **_said(phone=sale.phone, member_code=sale.member_code, cashier_id=sale.cashier_id),
            **_said(offline_coupon=sale.offline_coupon),
        }

    def _order(self, path: str, body: dict[str, Any], key: str | None) -> Order:
        reply = self._sender.post(f"{_BASE}{path}", body, key=key)
        return read(Order, reply.body, replayed=reply.replayed)

    def _burn(self, path: str, body: dict[str, Any], key: str | None) -> Burn:
        reply = self._sender.post(f"{_BASE}{path}", body, key=key)
        return read(Burn, reply.body, replayed=reply.replayed)

    def _refund(self, path: str, body: dict[str, Any], key: str | None) -> Refund:
        reply = self._sender.post(f"{_BASE}{path}", body, key=key)
        return read(Refund, reply.body, replayed=reply.replayed)


def _page(updated_since: datetime | None, cursor: str | None, limit: int) -> dict[str, str]:
    return _said(updated_since=_instant(updated_since), cursor=cursor, limit=str(limit))


def _coupons(coupons: Sequence[str], *, best: bool) -> dict[str, Any]:
    named: dict[str, Any] = {"coupons": list(coupons)} if coupons else {}
    return named | ({"best_coupons": True} if best else {})


def _parts(parts: Sequence[RefundPart]) -> dict[str, Any]:
    return {"parts": [written(part) for part in parts]} if parts else {}


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="microseconds")


def _said(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
