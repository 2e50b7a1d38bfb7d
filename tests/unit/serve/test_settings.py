import pytest

from fieldmark.errors import ConfigError
from fieldmark.serve.settings import ServiceSettings


@pytest.mark.parametrize("name", ["max_batch", "queue", "max_pixels", "timeout_s"])
def test_nothing_can_be_less_than_one(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        ServiceSettings(**{name: 0})


def test_some_may_be_nothing_but_not_less() -> None:
    ServiceSettings(max_wait_ms=0, rate_per_minute=0, watch_s=0)
    with pytest.raises(ConfigError, match="watch_s"):
        ServiceSettings(watch_s=-1)
