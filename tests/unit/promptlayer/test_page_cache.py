"""List pages are read once for several readers, and never older than a reader wants them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.errors import UnavailableError
from bridge.promptlayer.page_cache import ListPageCache
from bridge.prompts.prompt import Json


class Watch:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Source:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.lock = threading.Lock()

    def __call__(self) -> Json:
        with self.lock:
            self.asked += 1
        return {"items": ["é", None, 1.5], "page": self.asked}


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def pages(watch: Watch) -> ListPageCache:
    return ListPageCache(watch)


def test_a_page_is_read_once_as_long_as_it_is_young_enough(
    pages: ListPageCache, watch: Watch
) -> None:
    source = Source()

    first = pages.read("page 1", 60, source)
    watch.seconds += 60
    second = pages.read("page 1", 60, source)
    watch.seconds += 1
    third = pages.read("page 1", 60, source)

    assert first == second == {"items": ["é", None, 1.5], "page": 1}
    assert third == {"items": ["é", None, 1.5], "page": 2}


def test_who_wants_no_age_always_asks(pages: ListPageCache) -> None:
    source = Source()
    pages.read("page 1", 60, source)

    pages.read("page 1", 0, source)

    assert source.asked == 2


def test_another_page_is_another_question(pages: ListPageCache) -> None:
    source = Source()

    pages.read("page 1", 60, source)
    pages.read("page 2", 60, source)

    assert source.asked == 2


def test_many_at_once_ask_once(pages: ListPageCache) -> None:
    source = Source()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: pages.read("page 1", 60, source), range(32)))

    assert source.asked == 1
    assert all(answer == answers[0] for answer in answers)


def test_a_failure_is_not_kept(pages: ListPageCache) -> None:
    def failing() -> Json:
        raise UnavailableError("It is down.")

    with pytest.raises(UnavailableError):
        pages.read("page 1", 60, failing)

    source: Callable[[], Json] = Source()
    assert pages.read("page 1", 60, source) == {"items": ["é", None, 1.5], "page": 1}
