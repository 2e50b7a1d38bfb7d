"""Why the service doesn't answer a request; the HTTP layer gives each its status."""

from fieldmark.errors import FieldmarkError


class Refusal(FieldmarkError):  # noqa: N818 - not every refusal is an error
    """A request that isn't answered.

    Attributes:
        code: a word that stays the same, for programs.
        retry_after: seconds after which the same request may succeed; ``None`` where waiting doesn't help.
    """

    code = "refused"

    def __init__(self, message: str, cure: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message, cure)
        self.retry_after = retry_after


class Busy(Refusal):
    """There is more to do than the queue holds."""

    code = "busy"


class Late(Refusal):
    """The answer took longer than the service's time limit."""

    code = "late"


class Closing(Refusal):
    """The service is stopping, or isn't ready yet."""

    code = "closing"


class TooLarge(Refusal):
    """More bytes, files or pixels than the service takes."""

    code = "too_large"


class BadRequest(Refusal):
    """A request that can't be understood."""

    code = "bad_request"


class BadPicture(Refusal):
    """A picture that can't be decoded."""

    code = "bad_picture"


class NotThere(Refusal):
    """A model, or a part of the service, that isn't there."""

    code = "not_there"


class KeyMissing(Refusal):
    """No key, or one that isn't known."""

    code = "key_missing"


class Forbidden(Refusal):
    """A request that another page made, or one that this service doesn't allow."""

    code = "forbidden"


class TooMany(Refusal):
    """More requests a minute than one caller may make."""

    code = "too_many"


class TooSlow(Refusal):
    """A request whose body came too slowly."""

    code = "too_slow"


def busy(retry_after: float) -> Busy:
    """Return the refusal of a full queue."""
    return Busy("The service is busy.", f"Try again in {retry_after:.0f} s.", retry_after=retry_after)
