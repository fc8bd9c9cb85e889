"""C7: the till hears what a payment gave, on the receipt too."""

from app.members.presence import Mode
from config.database import Database
from tests.app.api.pos.test_orders import cash, identified, order, told
from tests.app.api.tills import Till
from tests.app.campaigns.test_pay_gifts import open_gift
from tests.coupons.makers import make_batch
from tests.factories import make_member


def test_an_order_tells_its_gift_and_prints_it(till: Till, database: Database) -> None:
    with database.transaction("test") as session:
        member = make_member(session)
        batch = make_batch(session).code
        only = {"scope": {"include": {"merchants": [till.shop.merchant.code]}}}
        open_gift(session, batch=batch, conditions=only)
    known = identified(database, till, member, mode=Mode.EARN)
    wish = order(identification_id=known, tenders=cash(10_000))

    sold = told(till.post("/v1/pos/orders", wish))
    again = told(till.post("/v1/pos/orders", wish), 200)
    second = told(till.post("/v1/pos/orders", order(identification_id=known, tenders=cash(10_000))))

    (gift,) = sold["gifts"]
    assert (gift["batch"], gift["zh"], gift["why"]) == (batch, "满300减50", None)
    assert "赠券：满300减50" in sold["receipt"]["zh"]
    assert again["gifts"] == sold["gifts"]
    assert told(till.get(f"/v1/pos/orders/{sold['order_id']}"), 200)["gifts"] == sold["gifts"]
    assert [each["why"] for each in second["gifts"]] == ["claim-limit"]
