"""What is logged: for whom it reads, what it says about the work in hand, and what it never says."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.config.monitoring_settings import find_secrets
from bridge.telemetry import logs
from bridge.telemetry.log_context import get_log_context, span, with_log_context
from bridge.telemetry.logs import LogFormat
from tests.unit.test_config import GOOD, config_of

DELIVERY = "0123456789abcdef" * 4
SECRET = 'quo"ted-secret'

log = logging.getLogger("bridge.test")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Where the log goes; what was set up before is there again afterwards."""
    touched = [logging.getLogger(name) for name in ("", "bridge", "dbos", "httpx2")]
    before = [(each, each.level, list(each.handlers), each.propagate) for each in touched]
    yield io.StringIO()
    for each, level, old, propagate in before:
        each.setLevel(level)
        each.handlers[:] = old
        each.propagate = propagate


def lines(written: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_json_line_says_when_who_what_and_what_it_is_about(written: io.StringIO) -> None:
    logs.configure_logging(LogFormat.JSON, "info", stream=written)

    with span("look", delivery=DELIVERY, mapping="support", proposal="promptlayer/support/prod/1"):
        log.info("looked at %s", "it", extra={"outcome": "in step"})

    (line,) = lines(written)
    assert str(line.pop("time")).endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "bridge.test",
        "message": "looked at it",
        "delivery": DELIVERY,
        "mapping": "support",
        "proposal": "promptlayer/support/prod/1",
        "outcome": "in step",
    }


def test_an_error_is_one_json_line_with_its_traceback(written: io.StringIO) -> None:
    logs.configure_logging(LogFormat.JSON, "info", stream=written)

    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("it failed")

    (line,) = lines(written)
    assert "ValueError: two\nlines" in str(line["exception"])


def test_a_text_line_adds_only_what_its_words_do_not_say(written: io.StringIO) -> None:
    logs.configure_logging(LogFormat.TEXT, "info", stream=written)

    with span("look", delivery=DELIVERY, proposal="b/one"):
        log.info("delivery %s is done", DELIVERY[:12])
        log.info("b/one: proposed")
    log.info("listening")

    endings = [line.partition("bridge.test: ")[2] for line in written.getvalue().splitlines()]
    assert endings == [
        "delivery 0123456789ab is done [proposal=b/one]",
        "b/one: proposed [delivery=0123456789ab]",
        "listening",
    ]


def test_what_the_work_is_about_cannot_break_a_text_line(written: io.StringIO) -> None:
    logs.configure_logging(LogFormat.TEXT, "info", stream=written)

    with span("look", proposal="b/one\n2026 ERROR forged"):
        log.info("looked")

    assert len(written.getvalue().splitlines()) == 1


@pytest.mark.parametrize("form", LogFormat)
def test_no_line_holds_a_secret_whoever_wrote_it(written: io.StringIO, form: LogFormat) -> None:
    logs.configure_logging(form, "debug", [SECRET, "hunter22-long", "x"], stream=written)

    logging.getLogger("somebody").warning("the header was %s", SECRET)
    try:
        raise ValueError(f"https://bot:hunter22-long@example.com {SECRET}")
    except ValueError:
        log.exception("it failed", extra={"seen": SECRET})

    for spelled in (SECRET, json.dumps(SECRET)[1:-1], "hunter22-long"):
        assert spelled not in written.getvalue()
    assert "example.com" in written.getvalue(), "a secret of one letter hides nothing"


def test_the_secrets_of_the_mapping_file_are_found_wherever_they_stand() -> None:
    config = config_of(GOOD + "database: ${DATABASE_URL}\n")

    assert set(find_secrets(config)) == {
        "pl_planted-key",
        "planted-webhook",
        "ghp_planted-token",
        "postgresql://bridge:planted-password@db/bridge",
        "planted-password",
    }


def test_the_engine_writes_through_the_same_log(written: io.StringIO) -> None:
    engine = logging.getLogger("dbos")
    engine.addHandler(logging.StreamHandler(elsewhere := io.StringIO()))
    engine.propagate = False
    logs.configure_logging(LogFormat.JSON, "info", stream=written)

    engine.warning("a queue stumbled")

    assert [line["message"] for line in lines(written)] == ["a queue stumbled"]
    assert elsewhere.getvalue() == ""


def test_the_level_is_the_bridges_and_libraries_stay_quiet(written: io.StringIO) -> None:
    logs.configure_logging(LogFormat.TEXT, "debug", stream=written)

    log.debug("ours")
    logging.getLogger("httpx2").info("theirs")
    logging.getLogger("some.library").debug("theirs")

    assert "ours" in written.getvalue()
    assert "theirs" not in written.getvalue()


def test_setting_up_again_replaces_what_was_set_before(written: io.StringIO) -> None:
    logs.configure_logging(LogFormat.TEXT, "info", stream=written)
    logs.configure_logging(LogFormat.TEXT, "info", stream=written)

    log.info("once")

    assert written.getvalue().count("once") == 1


def test_what_is_known_is_carried_into_other_threads_and_ends_with_its_step() -> None:
    def seen(_: int) -> dict[str, str]:
        return dict(get_log_context())

    with span("look", delivery=DELIVERY), ThreadPoolExecutor(2) as pool:
        inside = list(pool.map(with_log_context(seen), range(3)))

    assert inside == [{"delivery": DELIVERY}] * 3
    assert dict(get_log_context()) == {}


def test_a_step_inside_a_step_adds_to_what_is_known() -> None:
    with span("look", delivery=DELIVERY):
        with span("ask the forge", repository="hub:a/b", nothing=None):
            assert dict(get_log_context()) == {"delivery": DELIVERY, "repository": "hub:a/b"}
        assert dict(get_log_context()) == {"delivery": DELIVERY}
