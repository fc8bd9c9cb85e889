"""The root of what the product refuses, and the refusals that several rooms share."""


class AppError(Exception):
    """Root of the product's refusals; a leaf names one and carries its fields."""


class NotFound(AppError):
    """Nothing of this kind has this name, or the caller may not see it."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"找不到 {kind}：{name} / No such {kind}: {name}")
        self.kind = kind
        self.name = name


class StateConflict(AppError):
    """The thing exists but is in a state that does not allow this."""

    def __init__(self, kind: str, name: str, state: str, zh: str, en: str) -> None:
        super().__init__(f"{zh}（{kind} {name}：{state}） / {en} ({kind} {name}: {state})")
        self.kind = kind
        self.name = name
        self.state = state


class Invalid(AppError):
    """A value that can never be right, whatever the state of things."""

    def __init__(self, field: str, zh: str, en: str) -> None:
        super().__init__(f"{field}：{zh} / {field}: {en}")
        self.field = field


class TooOften(AppError):
    """Tried too often; `seconds` later there is room again."""

    def __init__(self, *, seconds: int) -> None:
        super().__init__(
            f"尝试过于频繁，请 {seconds} 秒后再试 / Too many tries: try again in {seconds} s"
        )
        self.seconds = seconds
