"""A sale and a refund with the client in clients/python: python till.py http://127.0.0.1:8000

The client signs, makes the key before the first send, and repeats with it until there is an answer.
"""

import base64
import secrets
import sys

from plaza_client import Line, RefundPart, Refused, Tender, Till, Unanswered, Write

BASE = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
KEY_ID = "pk_sandbox_PUBLISHED"
SECRET = base64.b64decode("d29ydGhsZXNzOiBldmVyeWJvZHkga25vd3MgdGhpcyE=")
PHONE = "19900000000"  # The sandbox's member; by phone a member earns and does not burn.


def main() -> None:
    """Sell two cups, give one back, and show what the cashier sees of a refusal."""
    run = secrets.token_hex(4)  # A real till counts its sales; a sample begins anew.
    with Till(
        base_url=BASE,
        key_id=KEY_ID,
        secret=SECRET,
        terminal_id="T2",
        cashier_id="007",
        before_send=keep,
    ) as till:
        member = till.identify(phone=PHONE)
        print(f"{member.name} {member.phone}: is it you?")
        order = till.sell(
            number=f"T2-{run}-1",
            lines=[Line(sku="6902", name="茶杯", amount_fen=6_000, quantity=2)],
            tenders=[Tender(name="cash", fen=6_000)],
            identification_id=member.identification_id,
        )
        print("\n".join(order.receipt.zh))
        back = till.refund(
            order.order_id, number=f"T2-{run}-2", parts=[RefundPart(line=1, quantity=1)]
        )
        for tender in back.tenders:
            print(f"give back {tender.fen} fen by {tender.name}")
        try:
            till.refund(order.order_id, number=f"T2-{run}-3", parts=[RefundPart(amount_fen=9_000)])
        except Refused as refused:
            print(f"{refused.code}: {refused.detail}")


def keep(write: Write) -> None:
    """Keep path, key and body on the till's own disk, here: so a power cut loses nothing."""


if __name__ == "__main__":
    try:
        main()
    except Unanswered as unanswered:
        sys.exit(f"Nobody knows whether it was done: repeat with {unanswered.key}")
