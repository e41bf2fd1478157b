"""Asking PromptLayer for many applications at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.config.serve_settings import ApplicationSettings
from bridge.errors import NotFoundError, UnauthorizedError, UnavailableError
from bridge.promptlayer.client import PromptLayerClient
from bridge.serve.application_tokens import ServedApplication
from bridge.serve.find_answers import AnswerFinder
from bridge.serve.read_releases import ReleaseView
from bridge.serve.release import (
    AnswerKey,
    PromptAnswer,
    PromptRelease,
    ReleaseKey,
    ReleaseSnapshot,
)
from tests.integration.sample_deliveries import NOON

SOURCE = "promptlayer"
KEY = ReleaseKey(SOURCE, 1, "prod")
RELEASE = PromptRelease(KEY, "reply", 1, "support", "c" * 40, "reply.yaml", NOON, NOON)
APPLICATION = ServedApplication(
    ApplicationSettings.model_validate({"name": "bot", "tokens": ["t"]}), SOURCE
)
VIEW = ReleaseView(APPLICATION, ReleaseSnapshot(1, {KEY: RELEASE}), NOON, timedelta(days=7))


def create_finder(fetch: Callable[[AnswerKey], PromptAnswer]) -> AnswerFinder:
    def find_no_client(source: str) -> PromptLayerClient:
        raise UnavailableError(f"{source} is away.")

    return AnswerFinder(find_no_client, fetch)


def test_who_asks_for_the_same_answer_at_once_waits_for_one_request() -> None:
    asked: list[AnswerKey] = []

    def fetch(key: AnswerKey) -> PromptAnswer:
        asked.append(key)
        return PromptAnswer(key, b"{}", '"1"')

    async def ask(finder: AnswerFinder) -> list[PromptAnswer]:
        return await asyncio.gather(*(finder.find_answer(VIEW, RELEASE) for _ in range(9)))

    with closing(create_finder(fetch)) as finder:
        found = asyncio.run(ask(finder))

    assert len(asked) == 1
    assert len(set(found)) == 1


KEYLESS = PromptAnswer(
    AnswerKey(SOURCE, 1, 1), b'{"custom_provider": {"client": "openai", "api_key": null}}', '"1"'
)
KEYLESS_VIEW = replace(VIEW, snapshot=ReleaseSnapshot(1, {KEY: RELEASE}, {KEYLESS.key: KEYLESS}))


def test_the_key_of_a_custom_provider_is_asked_for_after_a_start_and_by_one_request() -> None:
    asked: list[AnswerKey] = []

    def fetch(key: AnswerKey) -> PromptAnswer:
        asked.append(key)
        return replace(KEYLESS, provider_key="sk-of-the-provider")

    async def ask(finder: AnswerFinder) -> list[PromptAnswer]:
        return await asyncio.gather(*(finder.find_answer(KEYLESS_VIEW, RELEASE) for _ in range(9)))

    with closing(create_finder(fetch)) as finder:
        found = asyncio.run(ask(finder))

    assert asked == [KEYLESS.key]
    assert {answer.provider_key for answer in found} == {"sk-of-the-provider"}


def test_a_read_goes_on_without_the_key_of_a_custom_provider_while_promptlayer_is_away() -> None:
    asked: list[AnswerKey] = []

    def fetch(key: AnswerKey) -> PromptAnswer:
        asked.append(key)
        raise UnavailableError("away")

    async def ask(finder: AnswerFinder) -> list[PromptAnswer]:
        return [await finder.find_answer(KEYLESS_VIEW, RELEASE) for _ in range(3)]

    with closing(create_finder(fetch)) as finder:
        found = asyncio.run(ask(finder))

    assert found == [KEYLESS] * 3
    assert asked == [KEYLESS.key]  # not again at each read


def test_a_promptlayer_that_hangs_is_asked_so_many_times_at_most() -> None:
    released = threading.Event()

    def fetch(key: AnswerKey) -> PromptAnswer:
        released.wait()
        return PromptAnswer(key, b"{}", '"1"')

    async def ask(finder: AnswerFinder) -> list[object]:
        models = [finder.find_answer(VIEW, RELEASE, model=str(number)) for number in range(70)]
        tasks = [asyncio.ensure_future(each) for each in models]
        while sum(task.done() for task in tasks) < 6:
            await asyncio.sleep(0)
        released.set()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    with closing(create_finder(fetch)) as finder:
        found = asyncio.run(ask(finder))

    refused = [each for each in found if isinstance(each, UnavailableError)]
    assert len(refused) == 6
    assert all("at once" in str(each) for each in refused)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (UnauthorizedError("PromptLayer key refused."), UnavailableError),
        (UnavailableError("away", retry_after=7), UnavailableError),
        (NotFoundError("no such version"), NotFoundError),
    ],
)
def test_an_error_about_the_bridges_own_key_is_none_of_the_applications(
    raised: Exception, expected: type[Exception]
) -> None:
    def fetch(_: AnswerKey) -> PromptAnswer:
        raise raised

    with closing(create_finder(fetch)) as finder, pytest.raises(expected) as told:
        asyncio.run(finder.find_answer(VIEW, RELEASE))

    assert str(raised) in str(told.value)
    assert getattr(told.value, "retry_after", None) == getattr(raised, "retry_after", None)
