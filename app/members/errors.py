"""What the members' room refuses. No message holds what is personal."""

from app.errors import AppError, Invalid, NotFound, StateConflict


class BadPhone(Invalid):
    """Not a mobile number of China, nor an international one with its country code."""

    def __init__(self) -> None:
        super().__init__(
            "phone",
            "手机号须为 11 位中国大陆号码，或带 + 国家码的国际号码",
            "an 11-digit mobile number of mainland China, or + and a country code",
        )


class BadBirthday(Invalid):
    """Not a month and a day of the calendar."""

    def __init__(self) -> None:
        super().__init__(
            "birthday", "应为 MM-DD，如 05-20", "a month and a day of the calendar, like 05-20"
        )


class TooYoung(AppError):
    """Under 14 nobody joins or agrees to anything without a guardian (reliability §13)."""

    def __init__(self) -> None:
        super().__init__(
            "未满 14 周岁，须由监护人到服务台办理 / Under 14: a guardian has to come to the counter"
        )


class UnknownMember(NotFound):
    """Nobody is known by this id, or by this phone or card (which are not repeated)."""

    def __init__(self, public_id: str | None = None) -> None:
        super().__init__("member", public_id or "")
        if public_id is None:
            self.args = ("没有会员使用这个手机号或卡号 / Nobody has this phone or card",)


class MemberNotActive(StateConflict):
    """The member is frozen, parked or closed (M11)."""

    def __init__(self, member: str, status: str) -> None:
        super().__init__("member", member, status, "会员不是正常状态", "the member is not active")


class TwoMembers(AppError):
    """What was given belongs to two members; they would have to be merged first."""

    def __init__(self, members: tuple[str, ...]) -> None:
        super().__init__(
            f"所给信息分属不同会员（{'、'.join(members)}），请先合并 / "
            f"These details belong to different members ({', '.join(members)}); merge them first"
        )
        self.members = members


class DetailDiffers(AppError):
    """The member has another phone or card already; a change is its own act."""

    def __init__(self, member: str, detail: str) -> None:
        super().__init__(
            f"会员 {member} 已有另一个 {detail}，不能在入会时改换 / "
            f"Member {member} has another {detail}; enrolling does not change it"
        )
        self.member = member
        self.detail = detail


class ChallengeNeeded(AppError):
    """The phone belongs to a member with another identity in this very app (semantics 47).

    It may be a recycled number: only after a challenge does the newcomer get it.
    """

    def __init__(self, member: str) -> None:
        super().__init__(
            f"该手机号已属于另一位会员（{member}），可能是回收号码，须先通过验证 / "
            f"This phone belongs to another member ({member}), maybe a recycled number: "
            "a challenge has to be passed first"
        )
        self.member = member


class IdentificationOver(AppError):
    """The till's identification is unknown there, or its fifteen minutes are over."""

    def __init__(self) -> None:
        super().__init__(
            "会员识别已失效，请重新识别会员 / The identification is over: identify the member again"
        )


class EarnOnly(AppError):
    """Only who shows the code of the pay screen may burn (decision 24, M3)."""

    def __init__(self) -> None:
        super().__init__(
            "这样识别只能积分，抵扣请出示付款页的会员码 / "
            "Identified this way one may earn alone: to burn, show the code of the pay screen"
        )


class BadMemberCode(AppError):
    """The member code does not hold: unknown, wrong, too old or ended; nobody is told which."""

    def __init__(self) -> None:
        super().__init__(
            "会员码无效或已过期，请会员刷新后再出示 / "
            "The member code does not hold: let the member refresh it"
        )


class MemberCodeUsed(AppError):
    """This very code was used before; each is good once."""

    def __init__(self) -> None:
        super().__init__(
            "会员码已使用，请等它更新后再出示 / This member code was used: wait for the next one"
        )


class BurnNotConfirmed(StateConflict):
    """The burn needs the member's tap on the phone, which is not there (reliability §9).

    `name` is what the till repeats the call with, once the member has confirmed it.
    """

    def __init__(self, burn: str) -> None:
        super().__init__(
            "burn", burn, "unconfirmed",
            "请会员在手机上确认本次抵扣，然后再试",
            "let the member confirm this burn on the phone, then try again",
        )  # fmt: skip
