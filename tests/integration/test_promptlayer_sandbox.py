"""The stand-in for PromptLayer, held against its description, its recorded traffic and its SDK."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import promptlayer
import promptlayer.utils
import pytest
from promptlayer.exceptions import PromptLayerNotFoundError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.errors import ForbiddenError, NotFoundError, RequestRefusedError
from bridge.promptlayer.webhook_events import DOCUMENTED_EVENTS, EventUser, parse_event
from bridge.promptlayer.webhook_signature import verify_delivery
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.local_http_client import create_local_client
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import (
    build_chat_template,
    build_completion_template,
    build_model_metadata,
)
from bridge.sandbox.webhook_sender import WebhookSender
from tests.integration.promptlayer_schemas import check_answer
from tests.integration.switchable_app import SwitchableApp
from tests.standins.serve_app import serve
from tests.unit.promptlayer.recorded_payloads import fact

KEY = "pl_test_key"
SECRET = "webhook-secret"
BOB = EventUser(7, "Bob Böhm", "bob@example.com")
HELLO = build_chat_template(("system", "Be kind."), ("user", "{question}"))


@pytest.fixture
def registry() -> PromptRegistry:
    return PromptRegistry(workspace_id=42, clock=lambda: datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[SwitchableApp, str]]:
    changing = SwitchableApp()
    with serve(changing) as url:
        yield changing, url


@pytest.fixture
def url(served: tuple[SwitchableApp, str], registry: PromptRegistry) -> str:
    changing, url = served
    changing.app = create_promptlayer_app(registry, api_key=KEY)
    return url


@pytest.fixture
def api(url: str) -> Iterator[httpx2.Client]:
    key = {"X-API-KEY": KEY}
    with create_local_client(base_url=url, headers=key) as client:
        yield client


@pytest.fixture
def events(registry: PromptRegistry) -> list[JsonObject]:
    announced: list[JsonObject] = []
    registry.subscribe(announced.append)
    return announced


def types(events: list[JsonObject]) -> list[str]:
    return [event["event_type"].removeprefix("prompt_template_") for event in events]


def told(answer: httpx2.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


# Against the description and the recorded traffic


def test_answers_are_as_described(api: httpx2.Client, registry: PromptRegistry) -> None:
    folder = registry.create_folder("Support")
    registry.save_version("tone", build_completion_template("Be kind to {who}."))
    registry.save_version(
        "reply",
        build_chat_template(
            ("system", "@@@tone@@@"), ("user", "{question}"), ("assistant", "Sure.")
        ),
        metadata=build_model_metadata("openai", "gpt-4o", temperature=0.2),
        labels=["prod"],
        tags=["support"],
        folder_id=folder.id,
        external_ids=[("git", "acme/prompts:reply")],
    )
    body = {"prompt_template": {"prompt_name": "new"}, "prompt_version": {"prompt_template": HELLO}}
    patch = {"messages": {"0": {"role": "system", "content": [{"type": "text", "text": "!"}]}}}
    answers = [
        (api.get("/prompt-templates/reply"), "GetPromptTemplateRawResponse"),
        (api.get("/prompt-templates/2?label=prod"), "GetPromptTemplateRawResponse"),
        (api.post("/prompt-templates/2", json={}), "GetPromptTemplateResponse"),
        (api.get("/prompt-templates/2/labels"), "GetPromptTemplateLabelResponse"),
        (api.get("/prompt-templates/tone/snippet-usage"), "GetSnippetUsageResponse"),
        (api.get("/prompt-templates"), "ListPromptTemplates"),
        (api.post("/rest/prompt-templates", json=body), "CreatePromptTemplateResponse"),
        (api.patch("/rest/prompt-templates/2", json=patch), "CreatePromptTemplateResponse"),
        (api.get("/prompt-templates/2/external-ids"), "ExternalIdsListResponse"),
        (api.get("/prompt-templates/99"), "ErrorResponse"),
        (api.get("/prompt-templates/1?version=x"), "HTTPValidationError"),
        (api.get("/prompt-templates", headers={"X-API-KEY": "no"}), "UnauthorizedError"),
        (api.post("/api/public/v2/folders", json={"name": "A"}), "CreateFolderSuccessResponse"),
        (api.get("/api/public/v2/folders/resolve-id?path=Support"), "ResolveFolderIdResponse"),
        (api.get("/api/public/v2/folders/entities?flatten=true"), "ListFolderEntitiesResponse"),
    ]
    for answer, schema in answers:
        check_answer(answer.json(), schema)
    assert [answer.status_code for answer, _ in answers] == [200] * 6 + [201, 201, 200] + [
        404, 422, 401, 201, 200, 200,
    ]  # fmt: skip


def test_publishing_answers_as_recorded(api: httpx2.Client) -> None:
    calls = [call for call in fact("recorded.json") if call["path"] == "/rest/prompt-templates"]
    for call in calls:
        if not call["request"]:
            continue
        answer = told(api.post(call["path"], json=call["request"]), call["status"])
        known = {key: answer[key] for key in call["response"]}
        assert {**known, "id": 0} == {**call["response"], "id": 0}
    assert calls


def test_reading_answers_as_recorded(api: httpx2.Client) -> None:
    calls = fact("recorded.json")
    publish = next(call for call in calls if "test_template:test" in str(call["request"]))
    read = next(call for call in calls if call["path"].endswith("test_template%3Atest"))
    api.post(publish["path"], json=publish["request"])
    answer = told(api.post(read["path"], json={}))
    assert answer.keys() == read["response"].keys()
    assert answer["prompt_template"] == read["response"]["prompt_template"]


def test_the_list_answers_as_recorded(api: httpx2.Client, registry: PromptRegistry) -> None:
    recorded = next(
        call for call in fact("recorded.json") if call["case"] == "test_get_all_templates"
    )
    registry.save_version("sample_template", HELLO)
    answer = told(api.get(recorded["path"]))
    assert answer.keys() == recorded["response"].keys()
    assert answer["items"][0].keys() >= recorded["response"]["items"][0].keys()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:promptlayer")
def test_the_official_sdk_can_publish_list_and_get(url: str, events: list[JsonObject]) -> None:
    sdk = promptlayer.PromptLayer(api_key=KEY, base_url=url)
    published = sdk.templates.publish(
        {
            "prompt_name": "plain",
            "prompt_template": HELLO,
            "release_labels": ["prod"],
            "tags": ["a"],
        }
    )
    assert (published["version_number"], published["release_labels"]) == (1, ["prod"])
    assert types(events) == ["version_created", "label_created"]
    sdk.templates.publish(
        {"prompt_name": "plain", "prompt_template": build_chat_template(("user", "Hi"))}
    )
    assert sdk.templates.get("plain")["version"] == 2
    assert sdk.templates.get("plain", {"label": "prod"})["version"] == 1
    assert [item["version"] for item in sdk.templates.all(label="prod")] == [1]
    with pytest.raises(PromptLayerNotFoundError):
        sdk.templates.get("absent")
    promptlayer.utils._get_requests_session().close()


# Its traps


def test_a_cached_read_stays_stale(api: httpx2.Client, registry: PromptRegistry) -> None:
    registry.save_version("p", HELLO)
    path, fresh = "/prompt-templates/1", {"Cache-Control": "no-cache"}
    assert told(api.get(path))["version"] == 1
    registry.save_version("p", HELLO)
    assert told(api.get(path))["version"] == 1
    assert told(api.get(path, headers=fresh))["version"] == 2


def test_a_slash_in_a_name_has_to_be_encoded_twice(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("support/reply", HELLO)
    told_once = api.get("/prompt-templates/support%2Freply")
    assert told_once.status_code == 404
    assert told(api.get("/prompt-templates/support%252Freply"))["id"] == 1


def test_a_number_is_a_name_where_no_prompt_has_it(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("17", HELLO)
    assert told(api.get("/prompt-templates/17"))["id"] == 1


def test_snippets_are_expanded_unless_told_not_to(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("tone", build_completion_template("kind"), labels=["prod"])
    registry.save_version("tone", build_completion_template("stern"))
    registry.save_version(
        "p",
        build_chat_template(
            ("user", "@@@tone@@@ @@@tone@label:prod@@@ @@@tone@version_number:1@@@")
        ),
    )
    for query, text in (
        ("", "stern kind kind"),
        ("?resolve_snippets=false", "@@@tone@@@ @@@tone@"),
    ):
        answer = told(api.get(f"/prompt-templates/p{query}"))
        assert answer["prompt_template"]["messages"][0]["content"][0]["text"].startswith(text)
    versions = [snippet["version"] for snippet in answer["snippets"]]
    assert versions == [2, 1, 1]


def test_a_circle_of_snippets_ends(api: httpx2.Client, registry: PromptRegistry) -> None:
    registry.save_version("a", build_completion_template("a"))
    registry.save_version("b", build_completion_template("@@@a@@@"))
    registry.save_version("a", build_completion_template("@@@b@@@"))
    assert told(api.get("/prompt-templates/a"))["version"] == 2


def test_reading_adds_the_backends_defaults(api: httpx2.Client, registry: PromptRegistry) -> None:
    registry.save_version("p", HELLO)
    template = told(api.get("/prompt-templates/p?resolve_snippets=false"))["prompt_template"]
    assert template["input_variables"] == ["question"]
    assert template["tools"] is None
    assert template["messages"][0]["dataset_examples"] == []


# The list


def test_pages_have_thirty_items_unless_asked_and_never_more_than_a_hundred(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    for number in range(101):
        registry.save_version(f"p{number}", HELLO)
    first = told(api.get("/prompt-templates"))
    assert (len(first["items"]), first["pages"], first["has_next"]) == (30, 4, True)
    assert first["items"][0]["prompt_name"] == "p100"
    largest = told(api.get("/prompt-templates?per_page=1000&page=2&sort_by=id&sort_order=asc"))
    assert [item["prompt_name"] for item in largest["items"]] == ["p100"]
    assert (largest["has_next"], largest["prev_num"]) == (False, 1)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("label=prod", ["reply"]),
        ("name=REP", ["reply"]),
        ("tags=a&tags=b", ["reply"]),
        ("is_snippet=true", ["tone"]),
        ("status=deleted", ["gone"]),
        ("status=all&sort_by=name&sort_order=asc", ["gone", "reply", "tone"]),
        ("external_source=git&external_id=x", ["reply"]),
        ("created_by_email=bob@example.com", ["tone"]),
        ("updated_after=2030-01-01T00:00:00Z", []),
    ],
)
def test_the_list_is_filtered(
    api: httpx2.Client, registry: PromptRegistry, query: str, names: list[str]
) -> None:
    registry.save_version("tone", build_completion_template("Be kind."), actor=BOB)
    registry.save_version(
        "reply",
        build_chat_template(("user", "@@@tone@@@")),
        labels=["prod"],
        tags=["a", "b"],
        external_ids=[("git", "x")],
    )
    registry.delete(registry.save_version("gone", HELLO).prompt_id)
    items = told(api.get(f"/prompt-templates?{query}"))["items"]
    assert [item["prompt_name"] for item in items] == names


def test_a_renamed_folder_entry_shows_its_new_place(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("p", HELLO)
    path = registry.create_folder("B", registry.create_folder("A").id)
    assert told(api.get("/prompt-templates"))["items"][0]["full_folder_path"] is None
    registry.move_to_folder(1, path.id)
    assert told(api.get("/prompt-templates"))["items"][0]["full_folder_path"] == "A/B"


# Publishing


def test_a_patch_changes_only_what_it_names(api: httpx2.Client, registry: PromptRegistry) -> None:
    registry.save_version(
        "p", HELLO, metadata=build_model_metadata("openai", "gpt-4o", temperature=1, top_p=1)
    )
    message = {"role": "user", "content": [{"type": "text", "text": "New {x}"}]}
    body = {
        "messages": {"1": message},
        "model_parameters": {"temperature": 0},
        "release_labels": ["prod"],
    }
    answer = told(api.patch("/rest/prompt-templates/1", json=body), 201)
    texts = [m["content"][0]["text"] for m in answer["prompt_template"]["messages"]]
    assert texts == ["Be kind.", "New {x}"]
    assert answer["metadata"]["model"]["parameters"] == {"temperature": 0, "top_p": 1}
    assert registry.find_entry(1).labels["prod"].version == 2
    wrongs: list[JsonObject] = [
        {"version": 1, "label": "prod"},
        {"messages": {"9": message}},
        {"content": []},
    ]
    for wrong in wrongs:
        assert api.patch("/rest/prompt-templates/1", json=wrong).status_code == 400


def test_an_external_id_finds_its_prompt_whatever_the_body_calls_it(api: httpx2.Client) -> None:
    base = {"prompt_name": "a"}
    body = {"prompt_template": base, "prompt_version": {"prompt_template": HELLO}}
    path = "/prompt-templates/by-external-id/git/acme%2Fp"
    assert told(api.put(path, json=body), 201)["version_number"] == 1
    base["prompt_name"] = "renamed"
    again = told(api.put(path, json=body), 200)
    assert (again["prompt_name"], again["version_number"]) == ("a", 2)
    assert again["external_ids"] == [{"source": "git", "external_id": "acme/p"}]
    pair = {"source": "git", "external_id": "acme/p"}
    told(api.post("/prompt-templates/1/external-ids", json=pair), 201)
    told(api.delete("/prompt-templates/1/external-ids/git/acme%2Fp"))


def test_a_mapped_external_id_is_a_conflict_elsewhere(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("a", HELLO, external_ids=[("git", "x")])
    registry.save_version("b", HELLO)
    pair = {"source": "git", "external_id": "x"}
    assert api.post("/prompt-templates/2/external-ids", json=pair).status_code == 409


@pytest.mark.parametrize(
    "version",
    [
        {},
        {"prompt_template": {"type": "picture"}},
        {"prompt_template": {"type": "chat"}},
        {"prompt_template": {"type": "chat", "messages": ["hi"]}},
        {"prompt_template": build_chat_template(("user", "@@@absent@@@"))},
        {"prompt_template": HELLO, "commit_message": "x" * 73},
        {"prompt_template": HELLO, "metadata": "gpt-4o"},
    ],
)
def test_nonsense_is_not_published(
    api: httpx2.Client, registry: PromptRegistry, version: JsonObject
) -> None:
    body = {"prompt_template": {"prompt_name": "p"}, "prompt_version": version}
    answer = api.post("/rest/prompt-templates", json=body)
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "value_error")
    assert not registry.entries


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"'])
def test_a_body_that_is_no_object_is_refused(api: httpx2.Client, body: bytes) -> None:
    assert api.post("/rest/prompt-templates", content=body).status_code == 422


def test_labels_are_created_moved_and_deleted_by_api(
    api: httpx2.Client, registry: PromptRegistry, events: list[JsonObject]
) -> None:
    registry.save_version("p", HELLO)
    registry.save_version("p", HELLO)
    made = told(api.post("/prompts/1/label", json={"prompt_version_number": 1, "name": "prod"}))
    moved = told(api.patch(f"/prompt-labels/{made['id']}", json={"prompt_version_number": 2}))
    assert (moved["id"], moved["prompt_version_id"]) == (made["id"], 2)
    labels = told(api.get("/prompt-templates/1/labels"))["release_labels"]
    assert [(one["release_label"], one["prompt_version_number"]) for one in labels] == [("prod", 2)]
    assert api.delete(f"/prompt-labels/{made['id']}").status_code == 204
    assert types(events)[2:] == ["label_created", "label_moved", "label_deleted"]


def test_folder_entities_are_moved_and_deleted(
    api: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("p", HELLO)
    folder = registry.create_folder("A")
    entities = {"entities": [{"id": 1, "type": "PROMPT"}]}
    path = "/api/public/v2/folders/entities"
    told(api.post(path, json={**entities, "folder_id": folder.id}))
    assert told(api.get(path))["entities"] == []
    (entity,) = told(api.get(f"{path}?folder_id={folder.id}&include_metadata=true"))["entities"]
    assert entity["path"] == ["A"]
    assert entity["metadata"] == {"type": "chat", "latest_version_number": 1}
    told(api.request("DELETE", path, json=entities))
    assert told(api.get(f"{path}?flatten=true"))["entities"] == []


# Events


def test_every_change_announces_its_documented_event(
    registry: PromptRegistry, events: list[JsonObject]
) -> None:
    registry.save_version("old", HELLO, labels=["prod"], actor=BOB)
    registry.save_version("old", HELLO, labels=["prod"])
    registry.delete_label(1, "prod")
    registry.rename(1, "new")
    registry.delete(1)
    assert types(events) == [
        "version_created", "label_created", "version_created", "label_moved", "label_deleted",
        "name_changed", "deleted",
    ]  # fmt: skip
    assert all(event["event_type"] in DOCUMENTED_EVENTS for event in events)
    assert {parse_event(event).type for event in events} == {
        event["event_type"] for event in events
    }
    assert events[3]["details"] == {
        "prompt_template_id": 1,
        "prompt_template_name": "old",
        "prompt_template_version_number": 2,
        "old_prompt_template_version_number": 1,
        "prompt_template_label": "prod",
    }
    assert (events[0]["user_name"], events[0]["user_email"]) == (BOB.name, BOB.email)
    assert events[0]["timestamp"] == "2026-05-04T03:02:01.000000"


def test_a_protected_label_moves_by_approval_only(
    registry: PromptRegistry, events: list[JsonObject]
) -> None:
    registry.save_version("p", HELLO, labels=["prod"])
    registry.save_version("p", HELLO)
    registry.protect_label("prod")
    with pytest.raises(ForbiddenError):
        registry.move_label(1, "prod", 2)
    with pytest.raises(ForbiddenError):
        registry.save_version("p", HELLO, labels=["prod"])
    assert len(registry.find_entry(1).versions) == 2
    registry.request_label(1, "prod", version=2)
    registry.deny_label(1, "prod")
    assert registry.find_entry(1).labels["prod"].version == 1
    registry.request_label(1, "prod", version=2)
    registry.approve_label(1, "prod", also_moved=False)
    assert registry.find_entry(1).labels["prod"].version == 2
    registry.request_label(1, "prod", "deletion")
    registry.approve_label(1, "prod")
    assert registry.find_entry(1).labels == {}
    assert types(events)[3:] == [
        "label_change_requested", "label_change_denied", "label_change_requested",
        "label_change_approved", "label_change_requested", "label_deleted", "label_change_approved",
    ]  # fmt: skip
    assert "prompt_template_version_number" not in events[-1]["details"]
    with pytest.raises(NotFoundError):
        registry.approve_label(1, "prod")


def test_a_changed_snippet_announces_those_who_import_it(
    registry: PromptRegistry, events: list[JsonObject]
) -> None:
    registry.save_version("tone", build_completion_template("kind"))
    registry.save_version("newest", build_chat_template(("user", "@@@tone@@@")))
    registry.save_version("labelled", build_chat_template(("user", "@@@tone@label:prod@@@")))
    registry.save_version("pinned", build_chat_template(("user", "@@@tone@version_number:1@@@")))
    events.clear()
    registry.save_version("tone", build_completion_template("stern"), labels=["prod"])
    updated = [e["details"] for e in events if e["event_type"] == "prompt_template_updated"]
    assert [details["prompt_template_name"] for details in updated] == ["newest", "labelled"]


def test_a_name_is_free_again_after_deletion(registry: PromptRegistry) -> None:
    first = registry.save_version("p", HELLO)
    registry.delete(first.prompt_id)
    assert registry.save_version("p", HELLO).prompt_id != first.prompt_id
    with pytest.raises(RequestRefusedError):
        registry.save_version("", HELLO)


# Webhooks


class Mailbox:
    """A receiver of webhooks that checks their signature."""

    def __init__(self) -> None:
        self.payloads: list[JsonObject] = []
        self.app = Starlette(routes=[Route("/hook", self.receive, methods=["POST"])])

    async def receive(self, request: Request) -> Response:
        signature = request.headers.get("X-PromptLayer-Signature")
        self.payloads.append(verify_delivery(await request.body(), signature, [SECRET]))
        return Response(status_code=202)

    @property
    def versions(self) -> list[int]:
        return [p["details"]["prompt_template_version_number"] for p in self.payloads]


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def post(mailbox: Mailbox, registry: PromptRegistry) -> Iterator[WebhookSender]:
    with serve(mailbox.app) as url:
        webhooks = WebhookSender([(f"{url}/hook", SECRET)])
        registry.subscribe(webhooks.enqueue)
        yield webhooks
        webhooks.close()


def test_webhooks_are_signed_and_sent_in_order(
    registry: PromptRegistry, post: WebhookSender, mailbox: Mailbox
) -> None:
    for _ in range(3):
        registry.save_version("Grüße", HELLO, actor=BOB)
    assert post.wait_until_sent()
    assert mailbox.versions == [1, 2, 3]
    assert [sent.status for sent in post.sent] == [202, 202, 202]


def test_webhooks_can_be_lost_doubled_and_reordered(
    registry: PromptRegistry, post: WebhookSender, mailbox: Mailbox
) -> None:
    post.hold_events()
    post.drop_next()
    post.duplicate_next()
    for _ in range(3):
        registry.save_version("p", HELLO)
    post.release_events(reverse=True)
    assert post.wait_until_sent()
    assert mailbox.versions == [3, 2, 2]


def test_a_dead_receiver_is_told_and_not_tried_again(registry: PromptRegistry) -> None:
    post = WebhookSender([("http://127.0.0.1:9/hook", SECRET)])
    registry.subscribe(post.enqueue)
    registry.save_version("p", HELLO)
    assert post.wait_until_sent()
    assert [(sent.status, sent.failure) for sent in post.sent] == [(None, "ConnectError")]
    post.close()


# The page


def form_token(page: httpx2.Response) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert found
    return found.group(1)


@pytest.fixture
def page(url: str) -> Iterator[httpx2.Client]:
    with create_local_client(base_url=url, follow_redirects=True) as client:
        yield client


def submit(page: httpx2.Client, path: str, **fields: str) -> httpx2.Response:
    token = form_token(page.get("/"))
    return page.post(path, data={"token": token, **fields})


def test_a_prompt_is_written_and_edited_on_the_page(
    page: httpx2.Client, registry: PromptRegistry, events: list[JsonObject]
) -> None:
    submit(page, "/ui/actor", name="Zoë, Q.", email="zoe@example.com")
    made = submit(
        page, "/ui/new", name="support/reply", kind="chat", model="gpt-4o", parameters='{"top_p": 1}',
        **{"role-0": "system", "text-0": "\r\n Be kind.\r\nAlways.", "role-1": "user", "text-1": ""},
    )  # fmt: skip
    assert made.status_code == 200
    assert "support/reply" in made.text
    entry = registry.find_entry(1)
    assert entry.latest.template == build_chat_template(("system", "\n Be kind.\nAlways."))
    assert entry.latest.author == EventUser(1, "Zoë, Q.", "zoe@example.com")
    submit(
        page, "/ui/prompts/1/save", commit_message="Shorter", model="gpt-4o", provider="openai",
        **{"role-0": "system", "text-0": "Kind.", "role-1": "user", "text-1": "{q}"},
    )  # fmt: skip
    assert entry.latest.template == build_chat_template(("system", "Kind."), ("user", "{q}"))
    assert types(events) == ["version_created", "version_created"]


def test_the_page_keeps_what_its_form_does_not_show(
    page: httpx2.Client, registry: PromptRegistry
) -> None:
    message = {"role": "user", "name": "ann", "content": [{"type": "text", "text": "a", "id": "x"}]}
    template = {"type": "chat", "messages": [message], "tools": [{"type": "mcp"}], "x": 1}
    registry.save_version("p", template, metadata={"owner": "ann"}, extra={"provider_id": 3})
    submit(page, "/ui/prompts/1/save", **{"role-0": "user", "text-0": "b"})
    latest = registry.find_entry(1).latest
    message["content"] = [{"type": "text", "text": "b", "id": "x"}]
    assert latest.template == {**template, "messages": [message]}
    assert (latest.metadata, latest.extra) == ({"owner": "ann"}, {"provider_id": 3})


def test_a_template_is_edited_as_json_where_the_form_is_too_small(
    page: httpx2.Client, registry: PromptRegistry
) -> None:
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
    registry.save_version("p", {"type": "chat", "messages": [image]})
    assert 'name="text-0"' not in page.get("/ui/prompts/1").text
    submit(page, "/ui/prompts/1/save", template=json.dumps(HELLO))
    assert registry.find_entry(1).latest.template == HELLO
    assert submit(page, "/ui/prompts/1/save", template="{").status_code == 422


def test_labels_names_and_deletion_on_the_page(
    page: httpx2.Client, registry: PromptRegistry, events: list[JsonObject]
) -> None:
    registry.save_version("p", HELLO)
    registry.save_version("p", HELLO)
    submit(page, "/ui/prompts/1/move-label", label="prod", version="1")
    submit(page, "/ui/protect", label="prod")
    assert "asked by" in submit(page, "/ui/prompts/1/move-label", label="prod", version="2").text
    submit(page, "/ui/prompts/1/approve-label", label="prod")
    submit(page, "/ui/prompts/1/delete-label", label="prod")
    submit(page, "/ui/prompts/1/deny-label", label="prod")
    submit(page, "/ui/protect", label="prod")
    submit(page, "/ui/prompts/1/delete-label", label="prod")
    submit(page, "/ui/prompts/1/rename", name="q")
    assert submit(page, "/ui/prompts/1/delete").url.path == "/"
    assert types(events)[2:] == [
        "label_created", "label_change_requested", "label_moved", "label_change_approved",
        "label_change_requested", "label_change_denied", "label_deleted", "name_changed", "deleted",
    ]  # fmt: skip


def test_the_page_changes_nothing_for_another_site(
    page: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version("p", HELLO)
    assert page.post("/ui/prompts/1/delete", data={"token": "guessed"}).status_code == 422
    assert page.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert not registry.find_entry(1).deleted


def test_the_page_shows_hostile_names_as_text_and_allows_no_script(
    page: httpx2.Client, registry: PromptRegistry
) -> None:
    registry.save_version(
        "<script>alert(1)</script>", build_chat_template(("user", "</textarea><script>"))
    )
    for path in ("/", "/ui/prompts/1"):
        shown = page.get(path)
        assert "<script" not in shown.text
        assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    assert page.get("/ui/prompts/99").status_code == 404
    assert submit(page, "/ui/prompts/1/move-label", label="x", version="y").status_code == 422
