import gc
import weakref
from collections.abc import Iterator

import pytest

from fieldmark.serve.server import keep_collections_short


class _Loop:
    """What only the garbage collector can free."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_there_is_passed_over_by_the_collector() -> None:
    keep_collections_short()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < gc.get_freeze_count() / 10


def test_what_comes_later_is_still_collected() -> None:
    keep_collections_short()
    later = weakref.ref(_Loop())
    gc.collect()
    assert later() is None


def test_what_was_waste_before_is_freed_first() -> None:
    before = weakref.ref(_Loop())
    keep_collections_short()
    assert before() is None
