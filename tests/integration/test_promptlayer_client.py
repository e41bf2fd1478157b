"""The PromptLayer client over real HTTP, on good days against the stand-in and on bad ones."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from bridge.errors import (
    BridgeError,
    ConfigError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RequestRefusedError,
    UnauthorizedError,
    UnavailableError,
)
from bridge.forge.forge import AccessFindingSeverity
from bridge.promptlayer.client import PromptLayerClient, SnippetUser
from bridge.prompts.canonical_form import canonicalise_template
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import (
    build_chat_template,
    build_completion_template,
    build_model_metadata,
)
from tests.integration.switchable_app import SwitchableApp
from tests.standins.fault_injection import (
    Fault,
    Faults,
    WithFaults,
    cut,
    dead,
    slow,
    status,
    time_out,
)
from tests.standins.serve_app import serve

KEY = "pl_0123456789abcdef"
HELLO = build_chat_template(("system", "Be kind."), ("user", "{question}"))
READ = "/prompt-templates/1"


@pytest.fixture
def registry() -> PromptRegistry:
    return PromptRegistry(workspace_id=42)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[SwitchableApp, str]]:
    changing = SwitchableApp()
    with serve(changing) as url:
        yield changing, url


@pytest.fixture
def url(served: tuple[SwitchableApp, str], registry: PromptRegistry, faults: Faults) -> str:
    changing, url = served
    changing.app = WithFaults(create_promptlayer_app(registry, api_key=KEY), faults)
    return url


@pytest.fixture
def client(url: str) -> Iterator[PromptLayerClient]:
    # Loading certificates takes longer than most of these tests, and none is needed here.
    plain = httpx2.HTTPTransport(verify=False)
    with PromptLayerClient(KEY, base_url=url, timeout=5, transport=plain) as client:
        yield client


# Reading a prompt


def test_a_prompt_is_read_in_its_canonical_form(
    client: PromptLayerClient, registry: PromptRegistry
) -> None:
    registry.save_version(
        "support/reply",
        HELLO,
        metadata=build_model_metadata("openai", "gpt-4o", temperature=0.2),
        commit_message="First",
        tags=["support"],
    )
    prompt = client.find_prompt(1)
    assert prompt is not None
    assert prompt.template == canonicalise_template(HELLO)
    assert prompt.metadata == build_model_metadata("openai", "gpt-4o", temperature=0.2)
    assert (prompt.name, prompt.id, prompt.version) == ("support/reply", 1, 1)
    assert (prompt.tags, prompt.commit_message) == (("support",), "First")
    assert prompt.workspace_id == 42
    assert prompt.created_at


def test_a_version_or_a_label_is_read_when_asked_for(
    client: PromptLayerClient, registry: PromptRegistry
) -> None:
    registry.save_version("p", HELLO, labels=["prod"])
    registry.save_version("p", build_chat_template(("user", "New")))
    read = [
        client.find_prompt(1),
        client.find_prompt(1, version=1),
        client.find_prompt(1, label="prod"),
    ]
    assert [prompt and prompt.version for prompt in read] == [2, 1, 1]
    with pytest.raises(ValueError, match="not for both"):
        client.find_prompt(1, version=1, label="prod")


class Watched(httpx2.HTTPTransport):
    closed = False

    def close(self) -> None:
        self.closed = True
        super().close()


def test_a_client_that_nobody_uses_any_more_is_closed() -> None:
    transport = Watched()
    client = PromptLayerClient(KEY, base_url="http://127.0.0.1:9", transport=transport)
    assert not transport.closed

    del client

    assert transport.closed


def test_what_is_not_there_is_none(client: PromptLayerClient, registry: PromptRegistry) -> None:
    registry.save_version("p", HELLO)
    registry.delete(registry.save_version("gone", HELLO).prompt_id)
    assert client.find_prompt(99) is None
    assert client.find_prompt(2) is None
    assert client.find_prompt(1, version=2) is None
    assert client.find_prompt(1, label="prod") is None
    assert client.read_labels(99) == {}
    assert client.find_snippet_users(99) == ()


def test_a_prompt_that_is_called_like_a_number_is_not_that_number(
    client: PromptLayerClient, registry: PromptRegistry
) -> None:
    registry.save_version("17", HELLO)
    assert client.find_prompt(17) is None


def test_the_cache_is_bypassed_and_snippets_stay_references(
    client: PromptLayerClient, registry: PromptRegistry, url: str
) -> None:
    registry.save_version("tone", build_completion_template("kind"))
    registry.save_version("p", build_chat_template(("user", "@@@tone@@@")))
    path = f"{url}/prompt-templates/2?resolve_snippets=false"
    httpx2.get(path, headers={"X-API-KEY": KEY})  # now it is in the cache
    registry.save_version("p", build_chat_template(("user", "@@@tone@@@!")))
    prompt = client.find_prompt(2)
    assert prompt is not None
    assert prompt.version == 2
    assert "@@@tone@@@!" in str(prompt.template)


def test_a_custom_provider_is_kept(
    client: PromptLayerClient, registry: PromptRegistry, faults: Faults
) -> None:
    registry.save_version("p", HELLO, extra={"provider_id": 3, "inference_client_name": "x"})
    prompt = client.find_prompt(1)
    assert prompt is not None
    assert prompt.extra == {"provider_id": 3, "inference_client_name": "x"}
    answer = {"id": 1, "prompt_name": "p", "prompt_template": HELLO}
    faults.add(READ, status(200, {**answer, "provider_base_url": {"id": 4, "name": "eu"}}))
    read = client.find_prompt(1)
    assert read is not None
    assert read.extra == {"provider_base_url_name": "eu"}


def test_labels_and_the_users_of_a_snippet_are_read(
    client: PromptLayerClient, registry: PromptRegistry
) -> None:
    registry.save_version("tone", build_completion_template("kind"), labels=["prod", "dev"])
    registry.save_version("tone", build_completion_template("stern"), labels=["dev"])
    registry.save_version("newest", build_chat_template(("user", "@@@tone@@@")))
    registry.save_version("labelled", build_chat_template(("user", "@@@tone@label:prod@@@")))
    assert client.read_labels(1) == {"prod": 1, "dev": 2}
    assert client.find_snippet_users(1) == (SnippetUser(2, "newest"), SnippetUser(3, "labelled"))
    assert client.find_snippet_users(1, version=1) == (SnippetUser(3, "labelled"),)


# Listing


def test_all_pages_are_listed_lazily_in_order(
    client: PromptLayerClient, registry: PromptRegistry, faults: Faults
) -> None:
    for number in range(250):
        registry.save_version(f"p{number}", HELLO)
    listing = client.list_prompts()
    assert next(listing).prompt.name == "p0"
    assert len(faults.requests) == 1
    assert [listed.prompt.id for listed in listing] == list(range(2, 251))
    assert len(faults.requests) == 3


def test_the_list_tells_folder_snippet_and_the_labelled_version(
    client: PromptLayerClient, registry: PromptRegistry
) -> None:
    folder = registry.create_folder("B", registry.create_folder("A").id)
    registry.save_version("tone", build_completion_template("kind"))
    registry.save_version(
        "reply", build_chat_template(("user", "@@@tone@@@")), labels=["prod"], folder_id=folder.id
    )
    registry.save_version("reply", HELLO)
    tone, reply = client.list_prompts()
    assert (tone.is_snippet, tone.folder) == (True, None)
    assert (reply.is_snippet, reply.folder, reply.prompt.version) == (False, "A/B", 2)
    assert reply.prompt == client.find_prompt(2) or reply.prompt.digest == client_digest(client, 2)
    assert [listed.prompt.version for listed in client.list_prompts(label="prod")] == [1]
    assert [listed.prompt.name for listed in client.list_prompts(name="TON")] == ["tone"]


def client_digest(client: PromptLayerClient, id: int) -> str:
    prompt = client.find_prompt(id)
    assert prompt is not None
    return prompt.digest


def test_what_happens_while_the_list_is_read_doubles_and_hides_nothing(
    client: PromptLayerClient, registry: PromptRegistry
) -> None:
    for number in range(220):
        registry.save_version(f"p{number}", HELLO)
    listing = client.list_prompts()
    seen = [listed.prompt.id for listed in itertools.islice(listing, 100)]
    for id in (3, 5, 7):
        registry.delete(id)
    seen += [listed.prompt.id for listed in itertools.islice(listing, 50)]
    registry.save_version("late", HELLO)
    seen += [listed.prompt.id for listed in listing]
    assert sorted(id for id in seen if id) == list(range(1, 222))


def test_one_prompt_that_cannot_be_understood_does_not_hide_the_others(
    client: PromptLayerClient, faults: Faults
) -> None:
    item = {"id": 1, "prompt_name": "picture", "prompt_template": {"type": "picture"}}
    page = {"page": 1, "total": 2, "has_next": False}
    items = [item, {**item, "id": 2, "prompt_template": HELLO}]
    faults.add("/prompt-templates", status(200, {**page, "items": items}))
    odd, good = client.list_prompts()
    assert "Prompt 1 ('picture') cannot be understood" in (odd.unreadable or "")
    assert odd.prompt.template == {}
    assert good.unreadable is None
    faults.add("/prompt-templates", status(200, item))
    with pytest.raises(RequestRefusedError, match="cannot be understood"):
        client.find_prompt(1)


@pytest.mark.parametrize("depth", [100, 900, 990, 5_000])
def test_a_bottomless_prompt_is_read_or_refused(
    client: PromptLayerClient, faults: Faults, depth: int
) -> None:
    body = '{"id": 1, "prompt_name": "p", "prompt_template": {"type": "chat", "tools": DEEP}}'
    faults.add("/", status(200, body.replace("DEEP", "[" * depth + "]" * depth)))
    with contextlib.suppress(RequestRefusedError, UnavailableError):
        client.find_prompt(1)


def test_a_list_that_repeats_its_first_page_is_not_read_for_ever(
    client: PromptLayerClient, faults: Faults
) -> None:
    item = {"id": 1, "prompt_name": "p", "prompt_template": HELLO}
    page = {"page": 1, "total": 2, "has_next": True, "items": [item]}
    faults.add("/prompt-templates", status(200, page), times=5)
    with pytest.raises(UnavailableError, match="asked for page 2 and gave page 1"):
        list(client.list_prompts())


def test_many_threads_may_read_at_once(client: PromptLayerClient, registry: PromptRegistry) -> None:
    for number in range(8):
        registry.save_version(f"p{number}", HELLO)
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(client.find_prompt, range(1, 9)))
    assert [prompt and prompt.name for prompt in read] == [f"p{number}" for number in range(8)]


# Bad days

CALLS: list[Callable[[PromptLayerClient], object]] = [
    lambda client: client.find_prompt(1),
    lambda client: client.read_labels(1),
    lambda client: list(client.list_prompts()),
    lambda client: client.find_snippet_users(1),
]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(401, {"message": "Invalid API key"}), UnauthorizedError),
        (status(403, {"error": "No access"}), ForbiddenError),
        (status(422, {"detail": [{"msg": "too odd"}]}), RequestRefusedError),
        (status(302, b"", {"Location": "https://elsewhere.example/"}), RequestRefusedError),
        (status(404, b"<h1>Not Found</h1>"), UnavailableError),
        (status(429, {"message": "Slow down"}), RateLimitedError),
        (status(500, b"oops"), UnavailableError),
        (status(503, {"message": "Back soon"}), UnavailableError),
        (status(200, b"<html>a login page</html>"), UnavailableError),
        (status(200, b"[" * 100_000), UnavailableError),
        (status(200, b"[]"), UnavailableError),
        (status(200, b'{"items": 1, "release_labels": 1, "snippet_usage": 1}'), UnavailableError),
        (cut(), UnavailableError),
        (dead(), UnavailableError),
    ],
)
def test_every_bad_answer_becomes_an_error_of_ours(
    client: PromptLayerClient, faults: Faults, fault: Fault, error: type[BridgeError]
) -> None:
    for call in CALLS:
        faults.add("GET /", fault)
        with pytest.raises(error) as raised:
            call(client)
        assert str(raised.value).startswith("PromptLayer")
        assert KEY not in repr(raised.value)
        assert raised.value.__cause__ is None


def test_a_slow_answer_is_waited_for_and_none_is_given_up_on(url: str, faults: Faults) -> None:
    with PromptLayerClient(KEY, base_url=url, timeout=0.3) as client:
        faults.add("GET /", slow(longest=0.1))
        assert client.read_labels(1) == {}
        faults.add("GET /", time_out())
        with pytest.raises(UnavailableError, match=r"did not answer GET .* within 0\.3 s"):
            client.read_labels(1)


def test_nobody_there_is_unavailable() -> None:
    with (
        PromptLayerClient(KEY, base_url="http://127.0.0.1:9") as client,
        pytest.raises(UnavailableError, match=r"cannot be reached at http://127\.0\.0\.1:9"),
    ):
        client.find_prompt(1)


@pytest.mark.parametrize(("given", "seconds"), [("7", 7.0), ("soon", None), ("-1", None)])
def test_a_pause_that_was_asked_for_is_passed_on(
    client: PromptLayerClient, faults: Faults, given: str, seconds: float | None
) -> None:
    for code in (429, 503):
        faults.add("GET /", status(code, {}, {"Retry-After": given}))
        with pytest.raises((RateLimitedError, UnavailableError)) as raised:
            client.find_prompt(1)
        assert raised.value.retry_after == seconds


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "a", "error": "b", "detail": "c"}, "with 422: a."),
        ({"error": "b", "detail": "c"}, "with 422: b."),
        ({"detail": "c."}, "with 422: c."),
        ({"detail": [{"msg": "d"}, {"msg": "e"}]}, "with 422: d; e."),
        ({"message": "x" * 1000}, f"with 422: {'x' * 300}…."),
        ({"message": f"bad key\n{KEY}"}, "with 422: bad key …."),
        ({}, "with 422."),
    ],
)
def test_promptlayers_own_words_are_passed_on_without_the_key(
    client: PromptLayerClient, faults: Faults, body: dict[str, object], words: str
) -> None:
    faults.add("GET /", status(422, body))
    with pytest.raises(RequestRefusedError) as refusal:
        client.find_prompt(1)
    assert str(refusal.value).endswith(words)


def test_the_list_of_a_wrong_base_url_is_not_found(
    client: PromptLayerClient, faults: Faults
) -> None:
    faults.add("GET /", status(404, {"message": "No such path"}))
    with pytest.raises(NotFoundError):
        list(client.list_prompts())


@pytest.mark.parametrize("key", ["pl_ü", "pl_a\n", "pl_a b", "pl_\x00"])
def test_a_key_that_no_header_can_carry_is_a_mistake_in_the_settings(key: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        PromptLayerClient(key)
    assert key not in str(refusal.value)


def test_a_base_url_without_a_scheme_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(ConfigError, match="https://"):
        PromptLayerClient(KEY, base_url="api.promptlayer.com")


def test_the_key_is_in_no_log_and_no_repr(
    client: PromptLayerClient, registry: PromptRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    registry.save_version("p", HELLO)
    # A bridge that ran in this process may have told the client's libraries to be quiet.
    for name in (None, "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, name)
    client.find_prompt(1)
    assert "/prompt-templates/1" in caplog.text
    assert KEY not in caplog.text
    assert KEY not in repr(client)


# Checking the key


def test_a_key_that_can_read_is_fine(client: PromptLayerClient, registry: PromptRegistry) -> None:
    registry.save_version("p", HELLO)
    (finding,) = client.check_access()
    assert finding.severity is AccessFindingSeverity.OK
    assert "1 prompt" in finding.message


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "No PromptLayer API key is set"),
        ("pl_wrong", "key refused"),
        ("sk-wrong", "keys start with pl_"),
    ],
)
def test_a_key_that_cannot_read_is_a_finding(url: str, key: str, message: str) -> None:
    with PromptLayerClient(key, base_url=url) as client:
        (finding,) = client.check_access()
    assert finding.severity is AccessFindingSeverity.PROBLEM
    assert message in finding.message


def test_an_unreachable_promptlayer_is_a_finding() -> None:
    with PromptLayerClient(KEY, base_url="http://127.0.0.1:9") as client:
        (finding,) = client.check_access()
    assert finding.severity is AccessFindingSeverity.PROBLEM
    assert "cannot be reached" in finding.message
