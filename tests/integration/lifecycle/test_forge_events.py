"""What the forge tells: pushes are followed, engineers' pull requests get a word, and what people
decided about the bridge's own has its meaning in PromptLayer."""

from __future__ import annotations

from itertools import count

from bridge.forge.forge import PullRequest, PullRequestContent
from bridge.forge.forge_webhooks import ForgeEvent, PullRequestAction, PullRequestEvent, PushEvent
from bridge.reconcile.review_comment import MARKER
from bridge.sandbox.registry_entries import DEFAULT_EDITOR, build_completion_template
from bridge.storage.forge_delivery import build_forge_delivery
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published

REPOSITORY = "acme/support-bot"
_numbers = count(1)


def tell(environment: BridgeEnvironment, event: ForgeEvent, patience: float = 60.0) -> None:
    """The forge's webhook arrives, and everything that follows from it happens."""
    id = f"{next(_numbers):064x}"
    environment.controller.inbox.put(build_forge_delivery("local", id, event, environment.clock()))
    environment.settle(patience)


def push_told(environment: BridgeEnvironment, before: str) -> None:
    tell(environment, PushEvent(REPOSITORY, "main", before, environment.repository.head("main")))


def decision_told(
    environment: BridgeEnvironment,
    pull: PullRequest,
    action: PullRequestAction,
    patience: float = 60.0,
) -> None:
    told = PullRequestEvent(
        REPOSITORY,
        pull.number,
        action,
        pull.head_branch,
        pull.base_branch,
        pull.head_commit,
        False,
        "jane",
    )
    tell(environment, told, patience)


def announce(environment: BridgeEnvironment, pull: PullRequest, action: PullRequestAction) -> None:
    """The forge's webhook arrives, and nothing else happens yet."""
    event = PullRequestEvent(
        REPOSITORY,
        pull.number,
        action,
        pull.head_branch,
        pull.base_branch,
        pull.head_commit,
        False,
        "jane",
    )
    id = f"{next(_numbers):064x}"
    environment.controller.inbox.put(build_forge_delivery("local", id, event, environment.clock()))


def test_a_merge_that_is_told_makes_room_before_any_pause_is_over(make_world: MakeWorld) -> None:
    environment = make_world({"pull_request": {"limit": 1}})
    environment.save("Hello.", "one")
    environment.save("Hello.", "two")
    environment.settle(patience=0)
    merged = environment.pull_request()
    environment.repository.merge(merged)
    before = environment.clock()

    decision_told(environment, merged, PullRequestAction.MERGED, patience=5)

    assert environment.pull_request().head_branch == environment.branch(2)
    assert (environment.clock() - before).total_seconds() < 5


def test_a_push_to_the_base_branch_is_published_at_once(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    before = environment.repository.head("main")
    edited(environment, "kindly", "briefly")

    push_told(environment, before)

    assert published(environment) == ["Answer kindly.", "Answer briefly."]


def test_a_push_of_the_bridges_own_proposal_publishes_nothing(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.settle()
    before = environment.repository.head("main")
    environment.repository.merge(environment.pull_request())

    push_told(environment, before)

    assert published(environment) == ["Answer kindly."]
    assert environment.repository.open() == []


def test_merging_moves_the_label_to_the_version_that_was_reviewed(make_world: MakeWorld) -> None:
    environment = make_world({"on_merge": {"move_label": "prod"}})
    environment.save("Answer kindly.")
    environment.settle()
    pull = environment.pull_request()
    environment.save("Answer at length.")  # newer by the time of the merge, and not reviewed
    environment.post.lose()
    environment.repository.merge(pull)

    decision_told(environment, pull, PullRequestAction.MERGED)

    assert environment.registry.find_entry(NAME).labels["prod"].version == 1


def test_a_label_that_somebody_moved_back_after_a_merge_stays(make_world: MakeWorld) -> None:
    environment = make_world({"on_merge": {"move_label": "prod"}})
    id = environment.save("Answer kindly.")
    environment.save("Answer briefly.")
    environment.settle()
    pull = environment.pull_request()
    environment.repository.merge(pull)
    decision_told(environment, pull, PullRequestAction.MERGED)
    environment.registry.move_label(id, "prod", 1)

    decision_told(environment, pull, PullRequestAction.MERGED)
    environment.sweep()

    assert environment.registry.find_entry(NAME).labels["prod"].version == 1


def test_closing_labels_the_version_that_was_declined(make_world: MakeWorld) -> None:
    environment = make_world({"on_reject": {"label": "rejected"}})
    environment.save("Answer kindly.")
    environment.settle()
    pull = environment.pull_request()
    environment.repository.close(pull.number)

    decision_told(environment, pull, PullRequestAction.CLOSED)

    assert environment.registry.find_entry(NAME).labels["rejected"].version == 1


def test_a_protected_label_is_told_on_the_pull_request(make_world: MakeWorld) -> None:
    environment = make_world({"on_merge": {"move_label": "prod"}})
    id = environment.save("Answer kindly.", labels=["prod"])
    environment.registry.protect_label("prod")
    environment.save("Answer briefly.")
    environment.settle()
    pull = environment.pull_request()
    environment.repository.merge(pull)

    decision_told(environment, pull, PullRequestAction.MERGED)

    assert environment.registry.find_entry(id).labels["prod"].version == 1
    assert any(
        "PromptLayer did not do all of it" in each
        for each in environment.repository.comments(pull.number)
    )


def engineers(environment: BridgeEnvironment, files: dict[str, str]) -> PullRequest:
    """A pull request of somebody else."""
    environment.repository.commit(
        {path: text.encode() for path, text in files.items()}, branch="jane/edit"
    )
    return environment.repository.forge.create_pull_request(
        "jane/edit", "main", PullRequestContent("Edit", "By hand.")
    )


def test_an_engineers_pull_request_gets_one_word_on_what_merging_publishes(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    text = environment.repository.text(PATH) or ""
    pull = engineers(environment, {PATH: text.replace("kindly", "briefly")})

    decision_told(environment, pull, PullRequestAction.OPENED)
    decision_told(environment, pull, PullRequestAction.SYNCHRONIZED)

    [comment] = environment.repository.comments(pull.number)
    assert "a new version on top of version 1" in comment
    assert PATH in comment
    assert published(environment) == ["Answer kindly."]


def test_a_mistake_in_a_file_is_told_with_its_line(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    text = environment.repository.text(PATH) or ""
    pull = engineers(environment, {PATH: text.replace("role: system", "role: sytsem")})

    decision_told(environment, pull, PullRequestAction.OPENED)

    [comment] = environment.repository.comments(pull.number)
    assert "cannot be published" in comment
    assert "sytsem" in comment
    assert MARKER not in comment.replace(f"<!-- {MARKER} -->", "")


def test_a_pull_request_that_touches_no_prompt_gets_no_word(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    pull = engineers(environment, {"README.md": "hello"})

    decision_told(environment, pull, PullRequestAction.OPENED)

    assert environment.repository.comments(pull.number) == []


def test_a_version_names_the_pull_request_it_was_merged_with(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    before = environment.repository.head("main")
    pull = engineers(
        environment, {PATH: (environment.repository.text(PATH) or "").replace("kindly", "briefly")}
    )
    environment.repository.merge(pull)

    push_told(environment, before)

    newest = environment.registry.find_entry(NAME).versions[-1]
    assert (newest.metadata or {})["promptlayer_bridge"]["pull_request"] == pull.url
    assert newest.commit_message == "Edit"


def deletion_told(environment: BridgeEnvironment, path: str = PATH) -> None:
    before = environment.repository.head("main")
    environment.repository.commit({path: None})
    push_told(environment, before)


def test_a_deleted_file_deletes_its_prompt_where_the_mapping_says_so(
    make_world: MakeWorld,
) -> None:
    environment = make_world({**PUBLISH, "on_delete": "delete"})
    environment.save("Answer kindly.")
    environment.adopt()

    deletion_told(environment)

    assert environment.registry.entries[1].deleted
    assert environment.repository.open() == []


def test_a_deleted_file_deletes_nothing_by_default(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()

    deletion_told(environment)

    assert not environment.registry.find_entry(1).deleted


def test_a_file_that_went_because_its_label_was_removed_takes_no_prompt_with_it(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"track": ["prod"], **PUBLISH, "on_delete": "delete"})
    id = environment.save("Answer kindly.", labels=["prod"])
    path = PATH.replace("latest", "prod")
    environment.adopt(path, label="prod", prompt_id=id)
    environment.registry.delete_label(id, "prod")
    environment.post.lose()

    deletion_told(environment, path)

    assert not environment.registry.find_entry(id).deleted


def test_a_moved_file_keeps_its_prompt(make_world: MakeWorld) -> None:
    environment = make_world({**PUBLISH, "on_delete": "delete"})
    environment.save("Answer kindly.")
    environment.adopt()
    before = environment.repository.head("main")
    text = environment.repository.text(PATH) or ""
    environment.repository.commit({PATH: None, "prompts/latest/elsewhere.yaml": text.encode()})

    push_told(environment, before)

    assert not environment.registry.find_entry(1).deleted
    assert environment.repository.open() == []


def test_closing_moves_a_label_back_to_the_version_of_the_file(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["prod"], "on_reject": {"move_back": True}})
    id = environment.save("Answer kindly.", labels=["prod"])
    environment.adopt(PATH.replace("latest", "prod"), label="prod", prompt_id=id)
    environment.save("Answer briefly.", labels=["prod"])
    environment.settle()
    pull = environment.pull_request()
    environment.repository.close(pull.number)

    decision_told(environment, pull, PullRequestAction.CLOSED)

    assert environment.registry.find_entry(NAME).labels["prod"].version == 1


def test_a_label_goes_back_to_the_version_that_its_file_was_published_as(
    make_world: MakeWorld,
) -> None:
    """The file still names the version that it was edited from."""
    environment = make_world({"track": ["prod"], "on_reject": {"move_back": True}, **PUBLISH})
    id = environment.save("Answer kindly.", labels=["prod"])
    path = PATH.replace("latest", "prod")
    environment.adopt(path, label="prod", prompt_id=id)
    edited(environment, "kindly", "briefly", path)
    environment.sweep()
    environment.save("Answer in verse.", labels=["prod"])
    environment.settle()
    pull = environment.pull_request()
    environment.repository.close(pull.number)

    decision_told(environment, pull, PullRequestAction.CLOSED)

    assert environment.registry.find_entry(NAME).labels["prod"].version == 2


def test_the_word_on_a_changed_snippet_names_who_uses_it_and_shows_what_differs(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.registry.save_version(
        "support/tone", build_completion_template("Be kind."), actor=DEFAULT_EDITOR
    )
    environment.save("@@@support/tone@@@ Answer.", "support/user")
    path = PATH.replace("reply", "tone")
    environment.adopt(path)
    pull = engineers(
        environment,
        {path: (environment.repository.text(path) or "").replace("Be kind", "Be brief")},
    )

    decision_told(environment, pull, PullRequestAction.OPENED)

    [comment] = environment.repository.comments(pull.number)
    assert "-Be kind." in comment
    assert "+Be brief." in comment
    assert "support/user" in comment


def test_a_push_of_a_proposals_branch_is_not_told_as_about_a_prompt(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.settle()

    pull = environment.pull_request()
    tell(environment, PushEvent(REPOSITORY, pull.head_branch, None, pull.head_commit))

    newest = environment.controller.inbox.list_recent(1)[0]
    assert (newest.state, newest.outcome) == ("ignored", "nothing to do for any mapping")
