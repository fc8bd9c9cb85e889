"""What the merchants' room refuses."""

from datetime import date

from app.errors import AppError, StateConflict


class CodeTaken(AppError):
    """Another merchant, store, till or staff member has this code already."""

    def __init__(self, kind: str, code: str) -> None:
        super().__init__(f"{kind} 编号已被使用：{code} / The code is taken: {kind} {code}")
        self.kind = kind
        self.code = code


class NoTermsInForce(AppError):
    """The merchant has no contract terms on this business date."""

    def __init__(self, merchant: str, day: date) -> None:
        super().__init__(
            f"商户 {merchant} 在 {day} 没有生效的合同条款，"
            "请先用 plaza merchant terms set 提出并审批 / "
            f"Merchant {merchant} has no terms in force on {day}; "
            "propose and approve them with: plaza merchant terms set"
        )
        self.merchant = merchant
        self.day = day


class TermsTooLate(AppError):
    """Terms for a day that has begun would change what was agreed for it."""

    def __init__(self, merchant: str, valid_from: date, today: date) -> None:
        super().__init__(
            f"商户 {merchant} 已有条款，新条款最早从 {today} 的次日生效，而不是 {valid_from} / "
            f"Merchant {merchant} has terms already: new ones may begin the day after {today}, "
            f"not on {valid_from}"
        )
        self.merchant = merchant
        self.valid_from = valid_from
        self.today = today


class Frozen(StateConflict):
    """A merchant, store or till is not active, so nothing is sold there (M11)."""

    def __init__(self, kind: str, name: str, state: str) -> None:
        super().__init__(
            kind, name, state, "已冻结或停用，不能交易", "frozen or retired: no sale here"
        )


class Leaving(StateConflict):
    """The merchant leaves or has left, so nothing new is promised in its name (L9)."""

    def __init__(self, merchant: str, state: str) -> None:
        super().__init__(
            "merchant", merchant, state, "商户退出中或已退出，不再发放新积分",
            "it is leaving or has left: no new points of it",
        )  # fmt: skip


class NotPermitted(AppError):
    """None of the staff member's roles allows this."""

    def __init__(self, login: str, permission: str) -> None:
        super().__init__(
            f"员工 {login} 没有权限：{permission} / Staff member {login} may not: {permission}"
        )
        self.login = login
        self.permission = permission


class LastAdmin(AppError):
    """Somebody must be left who can add staff."""

    def __init__(self, login: str) -> None:
        super().__init__(
            f"{login} 是最后一位管理员，不能停用 / {login} is the last admin and stays"
        )
        self.login = login


class FirstStaffIsAdmin(AppError):
    """The first staff member must be an admin, and only the first comes without a sponsor."""

    def __init__(self) -> None:
        super().__init__(
            "只有第一位员工可以不带 --as 添加，且必须是 admin / "
            "Only the first staff member is added without --as, and has to be an admin"
        )
