"""A shop with its key and a member with his phone, for whoever speaks to the running service."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from plaza_client import Till

from app.clock import server_now
from app.members import codes, confirming, devices, seeds
from app.members.identification import KnownMember
from app.members.presence import Mode
from app.merchants import keys
from app.merchants.keys import IssuedKey
from config.database import Database
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of
from tests.factories import make_member, new_phone


@dataclass(frozen=True, kw_only=True)
class World:
    """A shop with its key, and a member with his phone and card."""

    database: Database
    district: str
    shop: Shop
    key: IssuedKey
    member: KnownMember
    phone: str

    def till(self, base_url: str, **options: object) -> Till:
        """Return a till of the shop."""
        return Till(
            base_url=base_url,
            key_id=self.key.key_id,
            secret=self.key.secret,
            terminal_id="T1",
            cashier_id="007",
            **options,  # type: ignore[arg-type]
        )

    def points(self) -> int:
        """Return the member's balance."""
        with self.database.transaction(self.district) as session:
            return points_of(session, self.member)

    def give(self, points: int) -> None:
        """Let the member earn points."""
        with self.database.transaction(self.district) as session:
            give_points(session, self.shop, self.member, points)

    @contextmanager
    def tapping(self) -> Iterator[None]:
        """Let the member tap on the phone whenever a burn waits for that."""
        done = threading.Event()
        phone = threading.Thread(target=self._tap_until, args=(done,))
        phone.start()
        try:
            yield
        finally:
            done.set()
            phone.join()

    def _tap_until(self, done: threading.Event) -> None:
        while not done.wait(0.1):
            with self.database.transaction(self.district) as session:
                now = server_now(session)
                for burn in confirming.list_waiting(session, self.member, now=now):
                    confirming.confirm(session, burn.public_id, member=self.member, now=now)

    def spend_code(self) -> str:
        """Return the code that the member's phone shows to pay, of a seed of its own."""
        now = datetime.now(UTC)
        with self.database.transaction(self.district) as session:
            device = devices.open_on(session, member=self.member, source="web", now=now)
            seed = seeds.issue(session, device, now=now)
        return codes.write(seed.seed, alias=seed.alias, mode=Mode.SPEND, at=now)


def open_world(database: Database, district: str) -> World:
    """Open a shop and enrol a member, committed."""
    phone = new_phone()
    with database.transaction(district) as session:
        shop = open_shop(session)
        request = keys.propose(session, store=shop.till.store.code, by="stf_lin", reason="接入")
        key = keys.approve(session, request.public_id, by="stf_wang")
        member = make_member(session, phone=phone, card_number=phone[-9:], name="张三")
    return World(
        database=database, district=district, shop=shop, key=key, member=member, phone=phone
    )
