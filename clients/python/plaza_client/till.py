"""A till: every call of the tills' API as a function of plain values."""

from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from plaza_client.sending import PATIENCE_SECONDS, TIMEOUT_SECONDS, Key, Sender
from plaza_client.values import (
    Captured,
    Exchange,
    Identification,
    Line,
    Order,
    Quote,
    Refund,
    RefundPart,
    Tender,
    Uploaded,
    Verdict,
    read,
    written,
)

_BASE = "/v1/pos"


class Till:
    """One terminal of a store and the cashier who stands at it.

    A write may be given its idempotency `key`, to repeat one that `Unanswered` told of; else it
    gets a fresh one. Not for several threads at once.

    Every call raises:
        Refused: Plaza said no; `detail` is for the cashier.
        Unanswered: no answer within `patience_seconds`; repeat the call with the key it tells.
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
        before_send: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self._sender = Sender(
            base_url=base_url,
            key=Key(key_id=key_id, secret=secret),
            timeout_seconds=timeout_seconds,
            patience_seconds=patience_seconds,
            before_send=before_send,
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
        """Close the connection."""
        self._sender.close()

    def set_clock(self) -> float:
        """Take the server's clock for signatures; return by how many seconds ours is off."""
        return self._sender.set_clock()

    def identify(self, *, phone: str) -> Identification:
        """Find a member by phone, to earn alone; show the masked name to confirm."""
        reply = self._sender.post(
            f"{_BASE}/identify", {**self._here, "phone": phone}, key=None, keyed=False
        )
        return read(Identification, reply.body)

    def quote(
        self,
        *,
        lines: Sequence[Line],
        identification_id: str | None = None,
        burn_points: int = 0,
    ) -> Quote:
        """Ask what a basket costs, may burn and would earn."""
        body = self._basket(lines, identification_id, burn_points, None)
        return read(Quote, self._sender.post(f"{_BASE}/quotes", body, key=None, keyed=False).body)

    def sell(
        self,
        *,
        number: str,
        lines: Sequence[Line],
        tenders: Sequence[Tender],
        identification_id: str | None = None,
        burn_points: int = 0,
        quote_id: str | None = None,
        occurred_at: datetime | None = None,
        key: str | None = None,
    ) -> Order:
        """Sell in one step; `number` is the till's own, unique for ever."""
        body = self._basket(lines, identification_id, burn_points, occurred_at)
        body |= {"number": number, "tenders": [written(tender) for tender in tenders]}
        return self._order("/orders", body | _said(quote_id=quote_id), key)

    def place(
        self,
        *,
        number: str,
        lines: Sequence[Line],
        identification_id: str | None = None,
        burn_points: int = 0,
        quote_id: str | None = None,
        key: str | None = None,
    ) -> Order:
        """Place an order that waits for payment; its points are held for some minutes."""
        body = self._basket(lines, identification_id, burn_points, None)
        return self._order("/orders", body | _said(number=number, quote_id=quote_id), key)

    def pay(self, order_id: str, *, tenders: Sequence[Tender], key: str | None = None) -> Order:
        """Pay a placed order."""
        body = {**self._here, "tenders": [written(tender) for tender in tenders]}
        return self._order(f"/orders/{order_id}/payment", body, key)

    def cancel(self, order_id: str, *, key: str | None = None) -> Order:
        """Give up an order before payment."""
        return self._order(f"/orders/{order_id}/cancellation", dict(self._here), key)

    def refund(
        self,
        order_id: str,
        *,
        number: str,
        parts: Sequence[RefundPart] = (),
        key: str | None = None,
    ) -> Refund:
        """Give back parts of an order, or without parts all that is left."""
        body: dict[str, Any] = {**self._here, "number": number}
        if parts:
            body["parts"] = [written(part) for part in parts]
        return self._refund(f"/orders/{order_id}/refunds", body, key)

    def void(self, order_id: str, *, number: str, key: str | None = None) -> Refund:
        """Undo a sale of this very day as a whole."""
        return self._refund(f"/orders/{order_id}/void", {**self._here, "number": number}, key)

    def exchange(
        self,
        order_id: str,
        *,
        refund_number: str,
        number: str,
        lines: Sequence[Line],
        tenders: Sequence[Tender],
        parts: Sequence[RefundPart] = (),
        key: str | None = None,
    ) -> Exchange:
        """Give back parts of an order (or all of it) and sell another instead."""
        body: dict[str, Any] = {
            **self._here,
            "refund_number": refund_number,
            "number": number,
            "lines": [written(line) for line in lines],
            "tenders": [written(tender) for tender in tenders],
        }
        if parts:
            body["parts"] = [written(part) for part in parts]
        path = f"{_BASE}/orders/{order_id}/exchange"
        reply = self._sender.post(path, body, key=key, keyed=True)
        return Exchange(
            refund=read(Refund, reply.body["refund"], replayed=reply.replayed),
            order=read(Order, reply.body["order"], replayed=reply.replayed),
            to_pay_fen=reply.body["to_pay_fen"],
        )

    def upload(self, sales: Sequence[Captured], *, key: str | None = None) -> list[Verdict]:
        """Send what was sold while the line was down, at most 500; one verdict each, in order."""
        orders = [
            {
                **self._here,
                "number": sale.number,
                "occurred_at": sale.occurred_at.isoformat(timespec="milliseconds"),
                "lines": [written(line) for line in sale.lines],
                "tenders": [written(tender) for tender in sale.tenders],
                **_said(phone=sale.phone),
            }
            for sale in sales
        ]
        path = f"{_BASE}/orders/batch"
        reply = self._sender.post(path, {"orders": orders}, key=key, keyed=True)
        return [_verdict(each) for each in reply.body["verdicts"]]

    def get(self, order_id: str) -> Order:
        """Look an order up by its id."""
        return read(Order, self._sender.get(f"{_BASE}/orders/{order_id}").body)

    def find(self, *, number: str) -> Order:
        """Look an order up by this terminal's own number."""
        query = {"terminal_id": self._here["terminal_id"], "number": number}
        return read(Order, self._sender.get(f"{_BASE}/orders", query).body)

    def _basket(
        self,
        lines: Sequence[Line],
        identification_id: str | None,
        burn_points: int,
        occurred_at: datetime | None,
    ) -> dict[str, Any]:
        at = occurred_at.isoformat(timespec="milliseconds") if occurred_at else None
        return {
            **self._here,
            "lines": [written(line) for line in lines],
            "burn_points": burn_points,
            **_said(identification_id=identification_id, occurred_at=at),
        }

    def _order(self, path: str, body: dict[str, Any], key: str | None) -> Order:
        reply = self._sender.post(f"{_BASE}{path}", body, key=key, keyed=True)
        return read(Order, reply.body, replayed=reply.replayed)

    def _refund(self, path: str, body: dict[str, Any], key: str | None) -> Refund:
        reply = self._sender.post(f"{_BASE}{path}", body, key=key, keyed=True)
        return read(Refund, reply.body, replayed=reply.replayed)


def _verdict(sent: dict[str, Any]) -> Verdict:
    problem = sent.get("problem") or {}
    order = sent.get("order")
    return Verdict(
        status=sent["status"],
        order=read(Uploaded, order) if order else None,
        code=problem.get("code", ""),
        detail=problem.get("detail", ""),
    )


def _said(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
