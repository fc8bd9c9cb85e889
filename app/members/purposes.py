"""What a member may agree to: each purpose apart, with the very text that is shown (M8). Pure.

A text that changes gets a new version below the old one; nobody who agreed to the old one has
thereby agreed to the new one. Nothing here is agreed to unless a member says so.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """What for: to be a member at all, to hear offers, to have them chosen, to be known there."""

    MEMBERSHIP = "membership"
    MARKETING = "marketing"
    PERSONALISATION = "personalisation"
    MERCHANT_SHARING = "merchant_sharing"


class Channel(StrEnum):
    """By which way somebody may be reached; `any` where the purpose knows none."""

    ANY = "any"
    SMS = "sms"
    WECHAT = "wechat"
    ALIPAY = "alipay"
    APP = "app"


@dataclass(frozen=True, kw_only=True)
class ConsentText:
    """One version of the text of a purpose."""

    purpose: Purpose
    version: str
    zh: str
    en: str

    @property
    def sha256(self) -> bytes:
        """The hash that a consent is kept with: it proves what was read."""
        return hashlib.sha256(
            f"{self.purpose}\n{self.version}\n{self.zh}\n{self.en}".encode()
        ).digest()


CHANNELS: Mapping[Purpose, Sequence[Channel]] = {
    Purpose.MEMBERSHIP: (Channel.ANY,),
    Purpose.MARKETING: (Channel.SMS, Channel.WECHAT, Channel.ALIPAY, Channel.APP),
    Purpose.PERSONALISATION: (Channel.ANY,),
    Purpose.MERCHANT_SHARING: (Channel.ANY,),
}
"""The channels of a purpose: each is agreed to and withdrawn by itself."""

OPTIONAL = (Purpose.MARKETING, Purpose.PERSONALISATION, Purpose.MERCHANT_SHARING)
"""What membership does not need: taken back at once by who leaves, or is too young to agree."""

TEXTS: Mapping[Purpose, Sequence[ConsentText]] = {
    text.purpose: (text,)
    for text in (
        ConsentText(
            purpose=Purpose.MEMBERSHIP,
            version="2026-11",
            zh="为提供会员与积分服务，商圈保存您的手机号、姓名（如填写）、订单与积分记录。您可随时导出或注销。",
            en="To keep your membership and points the district stores your phone, your name if "
            "you give it, your orders and points. You may export or close it at any time.",
        ),
        ConsentText(
            purpose=Purpose.MARKETING,
            version="2026-11",
            zh="商圈可通过该渠道向您发送优惠与活动信息，22:00 至次日 8:00 不发送。"
            "可随时退订，不影响会员权益。",
            en="The district may send you offers and events by this channel, never from 22:00 to "
            "8:00. You may withdraw at any time; your membership stays as it is.",
        ),
        ConsentText(
            purpose=Purpose.PERSONALISATION,
            version="2026-11",
            zh="商圈可根据您的消费记录为您挑选优惠，并说明理由。关闭后您看到与他人相同的优惠。",
            en="The district may choose offers by what you bought, and says why. Switched off you "
            "see the offers that everybody sees.",
        ),
        ConsentText(
            purpose=Purpose.MERCHANT_SHARING,
            version="2026-11",
            zh="商圈可将您的姓名与手机号提供给该商户，用于其会员服务。未同意时该商户只看到代号。",
            en="The district may give your name and phone to this merchant for its own members' "
            "service. Unless you agree the merchant sees a pseudonym alone.",
        ),
    )
}
"""Every text there has been, by purpose, oldest first."""


def current_text(purpose: Purpose) -> ConsentText:
    """Return the text that is shown today."""
    return TEXTS[purpose][-1]


def find_text(purpose: Purpose, version: str) -> ConsentText | None:
    """Return the text of a version, or None if there never was one."""
    return next((text for text in TEXTS[purpose] if text.version == version), None)
