"""What the coupon engine refuses. Nothing has been written when one of these is raised."""

from collections.abc import Sequence
from datetime import datetime


class CouponError(Exception):
    """Root of the coupon engine's refusals."""


class BadTemplate(CouponError):
    """A template's document says something that it may not say; `path` names the field."""

    def __init__(self, path: str, zh: str, en: str) -> None:
        super().__init__(f"{path}：{zh} / {path}: {en}")
        self.path = path
        self.zh = zh
        self.en = en


class FundersExhausted(CouponError):
    """Nobody who pays for the coupon has enough left for this discount (semantics 36)."""

    def __init__(self, missing_fen: int) -> None:
        super().__init__(
            f"出资额度不足，还差 {missing_fen} 分 / the funders leave {missing_fen} fen unpaid"
        )
        self.missing_fen = missing_fen


class NoSuchCoupon(CouponError):
    """Nothing has this name or code, or it is not the caller's: outward one answer (C17)."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"找不到 {kind}：{name} / no such {kind}: {name}")
        self.kind = kind
        self.name = name


class OtherContent(CouponError):
    """The name or key already stands for something else."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"{kind} {name} 已有不同内容 / {kind} {name} stands for something else already"
        )
        self.kind = kind
        self.name = name


class Retired(CouponError):
    """The template issues nothing more."""

    def __init__(self, template: str) -> None:
        super().__init__(f"模板 {template} 已停用 / template {template} is retired")
        self.template = template


class NotYet(CouponError):
    """The batch is not open yet, or the coupon not valid yet."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} 尚未开始 / {name} has not begun")
        self.name = name


class Over(CouponError):
    """The batch is over or closed, or the coupon's last day has passed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} 已结束或过期 / {name} is over")
        self.name = name


class SoldOut(CouponError):
    """The batch has no more, in all, for today, or at this store."""

    def __init__(self, batch: str) -> None:
        super().__init__(f"{batch} 已领完 / {batch} is sold out")
        self.batch = batch


class ClaimLimit(CouponError):
    """The holder has as many of the batch as anybody may."""

    def __init__(self, batch: str) -> None:
        super().__init__(f"{batch} 的领取数量已达上限 / nobody may have more of {batch} than this")
        self.batch = batch


class BudgetExhausted(CouponError):
    """The batch's budget does not cover this use; a smaller discount is not invented (36)."""

    def __init__(self, coupon: str, what: str) -> None:
        super().__init__(
            f"券 {coupon} 的活动预算已用完（{what}） / the budget of coupon {coupon} is used up "
            f"({what})"
        )
        self.coupon = coupon
        self.what = what


class Locked(CouponError):
    """Another order has set the coupon aside until an instant."""

    def __init__(self, coupon: str, until: datetime | None) -> None:
        super().__init__(
            f"券 {coupon} 正被另一订单占用 / coupon {coupon} is set aside for another order"
        )
        self.coupon = coupon
        self.until = until


class AlreadyUsed(CouponError):
    """The coupon has no use left; the holder may hear when and where the last one was."""

    def __init__(self, coupon: str, at: datetime | None = None, store: str | None = None) -> None:
        super().__init__(f"券 {coupon} 已使用 / coupon {coupon} has been used")
        self.coupon = coupon
        self.at = at
        self.store = store


class Voided(CouponError):
    """The coupon was called back; that wins over a lock and over a quote (semantics 41)."""

    def __init__(self, coupon: str) -> None:
        super().__init__(f"券 {coupon} 已作废 / coupon {coupon} was called back")
        self.coupon = coupon


class NotTheHolder(CouponError):
    """A personal coupon serves its holder alone (C19)."""

    def __init__(self, coupon: str) -> None:
        super().__init__(f"券 {coupon} 仅限本人使用 / coupon {coupon} serves its holder alone")
        self.coupon = coupon


class NotTransferable(CouponError):
    """The coupon stays where it is: personal, or handed on as often as it may be."""

    def __init__(self, coupon: str) -> None:
        super().__init__(f"券 {coupon} 不能转赠 / coupon {coupon} cannot be handed on")
        self.coupon = coupon


class TooLittleLeft(CouponError):
    """There is less money on the coupon than it should pay."""

    def __init__(self, coupon: str) -> None:
        super().__init__(f"券 {coupon} 余额不足 / there is too little on coupon {coupon}")
        self.coupon = coupon


class LockExpired(CouponError):
    """The order's lock is dead, and its coupon cannot be had any more (semantics 35)."""

    def __init__(self, coupon: str) -> None:
        super().__init__(
            f"券 {coupon} 的占用已失效，且已不可用 / the lock of coupon {coupon} has ended, and "
            "the coupon is not free"
        )
        self.coupon = coupon


class RollBackExceeds(CouponError):
    """More would go back of a redemption than remains of it (semantics 11)."""

    def __init__(self, redemption: str, remaining_fen: int) -> None:
        super().__init__(
            f"超出可退优惠，仅剩 {remaining_fen} 分（{redemption}） / only {remaining_fen} fen of "
            f"{redemption} can go back"
        )
        self.redemption = redemption
        self.remaining_fen = remaining_fen


class BadCode(CouponError):
    """What was typed is no coupon code: a character is wrong or missing."""

    def __init__(self) -> None:
        super().__init__("券码有误，请核对 / not a coupon code: check what was typed")


class TooManyCodes(CouponError):
    """More codes than the batch has coupons."""

    def __init__(self, batch: str, total: int) -> None:
        super().__init__(
            f"{batch} 只有 {total} 张，不能印更多的码 / {batch} has {total} coupons: no more codes"
        )
        self.batch = batch
        self.total = total


class BadToken(CouponError):
    """What was scanned is no offline coupon of ours, or was altered."""

    def __init__(self) -> None:
        super().__init__(
            "不是有效的离线券，或已被改动 / not an offline coupon of ours, or it was altered"
        )


class NotOffline(CouponError):
    """The coupon is not to be made out for a till without the network, and why."""

    def __init__(self, coupon: str, zh: str, en: str) -> None:
        super().__init__(
            f"券 {coupon} 不能离线使用：{zh} / coupon {coupon} does not go offline: {en}"
        )
        self.coupon = coupon


class MadeOut(CouponError):
    """The coupon is made out for a store, and stays so until the store has had time to upload.

    It cannot be taken back before: the till that it is for may not be reached, and would take it.
    """

    def __init__(self, coupon: str, store: str, until: datetime) -> None:
        super().__init__(
            f"券 {coupon} 已激活给门店 {store} 离线使用，最迟于 {until:%Y-%m-%d %H:%M} UTC 解锁；"
            "断网的收银机无法得知撤回，故不能提前收回 / "
            f"coupon {coupon} is made out for store {store}, and free by {until:%Y-%m-%d %H:%M} "
            "UTC; a till without the network would not hear that it was taken back"
        )
        self.coupon = coupon
        self.store = store
        self.until = until


class OfflineLimit(CouponError):
    """The member has as many coupons made out as anybody may at a time."""

    def __init__(self, until: datetime) -> None:
        super().__init__(
            f"离线券已达上限，最早于 {until:%Y-%m-%d %H:%M} UTC 可再激活 / "
            f"no more coupons may be made out before {until:%Y-%m-%d %H:%M} UTC"
        )
        self.until = until


class NotKinder(CouponError):
    """Issued coupons follow a later version only if no holder can lose by it (semantics 42)."""

    def __init__(self, batch: str, paths: Sequence[str]) -> None:
        named = ", ".join(paths)
        super().__init__(
            f"{batch} 已发的券不能改用此版本，对持券人不利或不可更改：{named} / "
            f"issued coupons of {batch} cannot follow this version; holders may lose by, or it "
            f"may not change: {named}"
        )
        self.batch = batch
        self.paths = tuple(paths)
