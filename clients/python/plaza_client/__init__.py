"""A till's client of Plaza 商圈通: signs every request and repeats it with the same key.

till = Till(base_url="https://…", key_id="pk_demo_…", secret=base64.b64decode("…"),
            terminal_id="T1", cashier_id="007")
member = till.identify(phone="138…")
order = till.sell(number="T1-0001", lines=[Line(sku="1", name="龙井", amount_fen=12800)],
                  tenders=[Tender(name="cash", fen=12800)],
                  identification_id=member.identification_id)
print("\\n".join(order.receipt.zh))
"""

from plaza_client.errors import PlazaError, Refused, Unanswered
from plaza_client.till import Till
from plaza_client.values import (
    Captured,
    Exchange,
    Expiry,
    Identification,
    Line,
    Order,
    OrderLine,
    Quote,
    Receipt,
    Refund,
    RefundPart,
    Tender,
    Uploaded,
    Verdict,
)

__all__ = [
    "Captured",
    "Exchange",
    "Expiry",
    "Identification",
    "Line",
    "Order",
    "OrderLine",
    "PlazaError",
    "Quote",
    "Receipt",
    "Refund",
    "RefundPart",
    "Refused",
    "Tender",
    "Till",
    "Unanswered",
    "Uploaded",
    "Verdict",
]
