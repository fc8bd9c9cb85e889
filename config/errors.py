"""What the ground floor refuses, before any business has begun."""


class ConfigError(Exception):
    """Root of the refusals of settings, servers and database."""


class UnknownDistrict(ConfigError):
    """No district of this id is in the registry."""

    def __init__(self, district: str) -> None:
        super().__init__(
            f"没有这个商圈：{district}。用 plaza district list 查看。 / "
            f"No such district: {district}. See: plaza district list."
        )
        self.district = district


class NotASandbox(ConfigError):
    """Only a sandbox district may be given a clock of its own, or be made anew."""

    def __init__(self, district: str) -> None:
        super().__init__(
            f"商圈 {district} 不是沙盒，不能改动其时钟或重建；请换一个沙盒商圈。 / "
            f"District {district} is no sandbox: its clock is the real one and it is never made "
            "anew. Name a sandbox."
        )
        self.district = district


class DistrictStopped(ConfigError):
    """Writes of the district are stopped since its books were found broken."""

    def __init__(self, district: str, reason: str) -> None:
        super().__init__(
            f"商圈 {district} 已停止写入：{reason}。核对后用 plaza district resume 恢复。 / "
            f"District {district} accepts no writes: {reason}. "
            "After the check, lift it with: plaza district resume."
        )
        self.district = district
        self.reason = reason


class OutcomeUnknown(ConfigError):
    """The connection was lost at COMMIT; only a repeat with the same key tells the truth."""


class Overloaded(ConfigError):
    """No database connection became free in time."""


class DiskFull(ConfigError):
    """PostgreSQL has no room left; nothing of the transaction was written."""

    def __init__(self) -> None:
        super().__init__(
            "数据库磁盘已满，本次操作未写入任何内容；请清理磁盘后重试 / "
            "The database's disk is full and nothing was written; make room, then try again"
        )


class ServerRefused(ConfigError):
    """An embedded server cannot start or be used as things stand; nothing was changed."""

    def __init__(self, server: str, zh: str, en: str) -> None:
        super().__init__(f"{server}：{zh} / {server}: {en}")
        self.server = server
        self.zh = zh
        self.en = en


class BadSettings(ConfigError):
    """Settings are missing, malformed or unknown; all of them are named at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            "设置有误，请修改环境变量或 .env（说明见 .env.example）： / "
            "Settings are wrong; mend the environment or .env (see .env.example):\n  - "
            + "\n  - ".join(problems)
        )
        self.problems = problems


class Collision(ConfigError):
    """Another transaction wrote the same business key meanwhile: run this one again."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(
            f"{kind} {key} 正在由另一请求写入，请重试 / "
            f"{kind} {key} is being written by another request: try again"
        )
        self.kind = kind
        self.key = key
