import pytest

from fieldmark.serve.admission import Places, RateLimit
from fieldmark.serve.refusals import Busy, TooLarge, TooMany


def test_places_are_taken_and_given_back_even_after_an_error() -> None:
    places = Places(3, "pictures")
    with places.taken(2):
        with pytest.raises(Busy), places.taken(2, retry_after=7):
            pass
        with places.taken(1):
            assert places.taken_now == 3
    with pytest.raises(KeyError), places.taken(3):
        raise KeyError
    assert places.taken_now == 0


def test_more_than_there_are_places_can_never_be_taken() -> None:
    with pytest.raises(TooLarge), Places(3, "pictures").taken(4):
        pass


def test_a_caller_may_burst_then_waits_then_may_again() -> None:
    limit = RateLimit(per_minute=60)  # bursts of 15, one a second
    for _ in range(15):
        limit.take("anna", now=0.0)
    with pytest.raises(TooMany) as caught:
        limit.take("anna", now=0.0)
    assert caught.value.retry_after == pytest.approx(1.0)
    limit.take("ben", now=0.0)  # another caller isn't held up
    with pytest.raises(TooMany):
        limit.take("anna", now=0.9)
    limit.take("anna", now=2.0)


def test_no_limit_is_no_limit() -> None:
    limit = RateLimit(0)
    for _ in range(1000):
        limit.take("anna", now=0.0)
    assert not limit._buckets  # nobody is counted


def test_callers_are_forgotten_before_they_fill_the_memory() -> None:
    limit = RateLimit(60)
    for number in range(10_500):
        limit.take(str(number), now=0.0)
    assert len(limit._buckets) == 10_000
