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
