"""How what a leaving merchant left behind runs off, period by period, until it has left (L9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit, outbox
from app.errors import StateConflict
from app.merchants import prepaying
from app.merchants.directory import ListedMerchant, get_directory
from app.merchants.locking import lock_merchant
from app.merchants.models import MerchantStatus
from app.money import yuan
from app.settlement import credit, deposits, losses, statements
from app.settlement.exits import Balance, get_exit, weigh_now
from app.settlement.losses import Borne
from app.settlement.models import Exit, Period
from config.database import forget

Words = tuple[str, str]  # Chinese and English


@dataclass(frozen=True, kw_only=True)
class Step:
    """A closed period of a run-off: the merchant's points in members' hands, and its due."""

    period: str
    ends_on: date
    redeemed_points: int
    expired_points: int
    out_points: int
    out_fen: int
    due_fen: int


@dataclass(frozen=True, kw_only=True)
class RunOff:
    """An exit from its first day to now: what was agreed, each closed period, how it stands.

    `held_fen` is the deposit that the district has, `borne` what others bore and did not get back.
    """

    merchant: ListedMerchant
    leaving: Exit
    steps: Sequence[Step]
    now: Balance
    held_fen: int
    borne: Borne

    @property
    def to_pay_fen(self) -> int:
        """What of the deposit is called and not there."""
        return max(self.now.deposit_fen - self.held_fen, 0)

    @property
    def free_fen(self) -> int:
        """What of the deposit may go back."""
        return max(self.held_fen - self.now.deposit_fen, 0)


def run_off(session: Session, code: str) -> RunOff:
    """Return the run-off of a merchant that leaves or has left.

    Raises:
        NotFound: no such merchant, or it is not leaving.
    """
    merchant = get_directory(session).get_merchant(code)
    leaving = get_exit(session, merchant)
    periods = session.scalars(
        select(Period).where(Period.ends_on >= leaving.begun_on).order_by(Period.starts_on)
    ).all()
    return RunOff(
        merchant=merchant,
        leaving=leaving,
        steps=[_step(session, period, merchant) for period in periods],
        now=weigh_now(session, merchant),
        held_fen=deposits.held_fen(session, merchant),
        borne=losses.borne_so_far(session, leaving),
    )


def finish(session: Session, code: str, *, by: str) -> list[Words]:
    """Let a merchant be gone once nothing is out; return what still is, in two languages.

    What refunds have brought back of its points bought ahead is taken back on the way. As long as
    something is out its status stays, and the caller commits all the same. Locks its row; a
    merchant that has left is told so again.

    Raises:
        NotFound: no such merchant, or it is not leaving.
        StateConflict: it is not leaving any more, and has not left either.
    """
    row = lock_merchant(session, code)
    merchant = get_directory(session).get_merchant(code)
    get_exit(session, merchant)
    if row.status == MerchantStatus.EXITED:
        return []
    if row.status != MerchantStatus.EXITING:
        raise StateConflict("merchant", code, row.status, "不在退出中", "it is not leaving")
    prepaying.take_back(session, merchant, by=by)
    out = _still_out(session, merchant)
    if out:
        return out
    row.status = MerchantStatus.EXITED
    audit.record(
        session,
        actor=by,
        action="exit.finish",
        object=row.public_id,
        before={"status": MerchantStatus.EXITING.value},
        after={"status": MerchantStatus.EXITED.value},
    )
    outbox.add(
        session,
        topic="merchant.left",
        aggregate=row.public_id,
        payload={"merchant": row.public_id},
    )
    session.flush()
    forget(session)
    return []


def _still_out(session: Session, merchant: ListedMerchant) -> list[Words]:
    now = weigh_now(session, merchant)
    (standing,) = credit.stand(session, [merchant])
    held = deposits.held_fen(session, merchant)
    found = {
        (f"会员手中尚有 {now.out_points:,} 分",
         f"{now.out_points:,} points are in members' hands"): now.out_points,
        (f"会员尚欠 {now.owed_points:,} 分", f"members owe {now.owed_points:,} points"):
            now.owed_points,
        ("有未结账的往来，待下次结账", "something is not closed yet: wait for the next close"):
            credit.moved_since_close(session, merchant),
        (f"往来余额 {yuan(standing.due_fen)}，须收付结清",
         f"its account stands at {yuan(standing.due_fen)}: pay it"): standing.due_fen,
        (f"押金 {yuan(held)} 未退", f"its deposit of {yuan(held)} is not paid back"): held,
    }  # fmt: skip
    return [words for words, amount in found.items() if amount]


def _step(session: Session, period: Period, merchant: ListedMerchant) -> Step:
    told = statements.statement(session, period, merchant=merchant.code)
    out = told.outstanding
    return Step(
        period=period.code,
        ends_on=period.ends_on,
        redeemed_points=-(out.redeemed_own_points + out.redeemed_elsewhere_points),
        expired_points=-out.expired_points,
        out_points=out.closing_points,
        out_fen=out.closing_fen,
        due_fen=told.closing_fen,
    )
