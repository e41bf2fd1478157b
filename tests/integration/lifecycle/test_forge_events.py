"""What the forge tells: pushes are followed, engineers' pull requests get a word, and what people
decided about the bridge's own has its meaning in PromptLayer."""

from __future__ import annotations

from itertools import count

from bridge.forge.base import PullRequest, PullRequestContent
from bridge.forge.webhooks import ForgeEvent, PullRequestAction, PullRequestChanged, Pushed
from bridge.sandbox.entries import ADA, completion
from bridge.steps.review import MARKER
from bridge.storage.forge_delivery import delivery_of
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published
from tests.integration.lifecycle.world import NAME, PATH, MakeWorld, World

REPOSITORY = "acme/support-bot"
_numbers = count(1)


def tell(world: World, event: ForgeEvent, patience: float = 60.0) -> None:
    """The forge's webhook arrives, and everything that follows from it happens."""
    id = f"{next(_numbers):064x}"
    world.worker.inbox.put(delivery_of("local", id, event, world.clock()))
    world.settle(patience)


def push_told(world: World, before: str) -> None:
    tell(world, Pushed(REPOSITORY, "main", before, world.place.head("main")))


def decision_told(
    world: World, pull: PullRequest, action: PullRequestAction, patience: float = 60.0
) -> None:
    told = PullRequestChanged(
        REPOSITORY, pull.number, action, pull.head, pull.base, pull.head_commit, False, "jane"
    )
    tell(world, told, patience)


def test_a_merge_that_is_told_makes_room_before_any_pause_is_over(make_world: MakeWorld) -> None:
    world = make_world({"pull_request": {"limit": 1}})
    world.save("Hello.", "one")
    world.save("Hello.", "two")
    world.settle(patience=0)
    merged = world.pull_request()
    world.place.merge(merged)
    before = world.clock()

    decision_told(world, merged, PullRequestAction.MERGED, patience=5)

    assert world.pull_request().head == world.branch(2)
    assert (world.clock() - before).total_seconds() < 5


def test_a_push_to_the_base_branch_is_published_at_once(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    before = world.place.head("main")
    edited(world, "kindly", "briefly")

    push_told(world, before)

    assert published(world) == ["Answer kindly.", "Answer briefly."]


def test_a_push_of_the_bridges_own_proposal_publishes_nothing(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.settle()
    before = world.place.head("main")
    world.place.merge(world.pull_request())

    push_told(world, before)

    assert published(world) == ["Answer kindly."]
    assert world.place.open() == []


def test_merging_moves_the_label_to_the_version_that_was_reviewed(make_world: MakeWorld) -> None:
    world = make_world({"on_merge": {"move_label": "prod"}})
    world.save("Answer kindly.")
    world.settle()
    pull = world.pull_request()
    world.save("Answer at length.")  # newer by the time of the merge, and not reviewed
    world.post.lose()
    world.place.merge(pull)

    decision_told(world, pull, PullRequestAction.MERGED)

    assert world.registry.entry(NAME).labels["prod"].version == 1


def test_a_label_that_somebody_moved_back_after_a_merge_stays(make_world: MakeWorld) -> None:
    world = make_world({"on_merge": {"move_label": "prod"}})
    id = world.save("Answer kindly.")
    world.save("Answer briefly.")
    world.settle()
    pull = world.pull_request()
    world.place.merge(pull)
    decision_told(world, pull, PullRequestAction.MERGED)
    world.registry.move_label(id, "prod", 1)

    decision_told(world, pull, PullRequestAction.MERGED)
    world.sweep()

    assert world.registry.entry(NAME).labels["prod"].version == 1


def test_closing_labels_the_version_that_was_declined(make_world: MakeWorld) -> None:
    world = make_world({"on_reject": {"label": "rejected"}})
    world.save("Answer kindly.")
    world.settle()
    pull = world.pull_request()
    world.place.close(pull.number)

    decision_told(world, pull, PullRequestAction.CLOSED)

    assert world.registry.entry(NAME).labels["rejected"].version == 1


def test_a_protected_label_is_told_on_the_pull_request(make_world: MakeWorld) -> None:
    world = make_world({"on_merge": {"move_label": "prod"}})
    id = world.save("Answer kindly.", labels=["prod"])
    world.registry.protect("prod")
    world.save("Answer briefly.")
    world.settle()
    pull = world.pull_request()
    world.place.merge(pull)

    decision_told(world, pull, PullRequestAction.MERGED)

    assert world.registry.entry(id).labels["prod"].version == 1
    assert any(
        "PromptLayer did not do all of it" in each for each in world.place.comments(pull.number)
    )


def engineers(world: World, files: dict[str, str]) -> PullRequest:
    """A pull request of somebody else."""
    world.place.commit({path: text.encode() for path, text in files.items()}, branch="jane/edit")
    return world.place.forge.create_pull_request(
        "jane/edit", "main", PullRequestContent("Edit", "By hand.")
    )


def test_an_engineers_pull_request_gets_one_word_on_what_merging_publishes(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    text = world.place.text(PATH) or ""
    pull = engineers(world, {PATH: text.replace("kindly", "briefly")})

    decision_told(world, pull, PullRequestAction.OPENED)
    decision_told(world, pull, PullRequestAction.UPDATED)

    [comment] = world.place.comments(pull.number)
    assert "a new version on top of version 1" in comment
    assert PATH in comment
    assert published(world) == ["Answer kindly."]


def test_a_mistake_in_a_file_is_told_with_its_line(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    text = world.place.text(PATH) or ""
    pull = engineers(world, {PATH: text.replace("role: system", "role: sytsem")})

    decision_told(world, pull, PullRequestAction.OPENED)

    [comment] = world.place.comments(pull.number)
    assert "cannot be published" in comment
    assert "sytsem" in comment
    assert MARKER not in comment.replace(f"<!-- {MARKER} -->", "")


def test_a_pull_request_that_touches_no_prompt_gets_no_word(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    pull = engineers(world, {"README.md": "hello"})

    decision_told(world, pull, PullRequestAction.OPENED)

    assert world.place.comments(pull.number) == []


def test_a_version_names_the_pull_request_it_was_merged_with(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    before = world.place.head("main")
    pull = engineers(world, {PATH: (world.place.text(PATH) or "").replace("kindly", "briefly")})
    world.place.merge(pull)

    push_told(world, before)

    newest = world.registry.entry(NAME).versions[-1]
    assert (newest.metadata or {})["promptlayer_bridge"]["pull_request"] == pull.url
    assert newest.commit_message == "Edit"


def deletion_told(world: World, path: str = PATH) -> None:
    before = world.place.head("main")
    world.place.commit({path: None})
    push_told(world, before)


def test_a_deleted_file_deletes_its_prompt_where_the_mapping_says_so(
    make_world: MakeWorld,
) -> None:
    world = make_world({**PUBLISH, "on_delete": "delete"})
    world.save("Answer kindly.")
    world.adopt()

    deletion_told(world)

    assert world.registry.entries[1].deleted
    assert world.place.open() == []


def test_a_deleted_file_deletes_nothing_by_default(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()

    deletion_told(world)

    assert not world.registry.entry(1).deleted


def test_a_file_that_went_because_its_label_was_removed_takes_no_prompt_with_it(
    make_world: MakeWorld,
) -> None:
    world = make_world({"track": ["prod"], **PUBLISH, "on_delete": "delete"})
    id = world.save("Answer kindly.", labels=["prod"])
    path = PATH.replace("latest", "prod")
    world.adopt(path, label="prod", prompt_id=id)
    world.registry.delete_label(id, "prod")
    world.post.lose()

    deletion_told(world, path)

    assert not world.registry.entry(id).deleted


def test_a_moved_file_keeps_its_prompt(make_world: MakeWorld) -> None:
    world = make_world({**PUBLISH, "on_delete": "delete"})
    world.save("Answer kindly.")
    world.adopt()
    before = world.place.head("main")
    text = world.place.text(PATH) or ""
    world.place.commit({PATH: None, "prompts/latest/elsewhere.yaml": text.encode()})

    push_told(world, before)

    assert not world.registry.entry(1).deleted
    assert world.place.open() == []


def test_closing_moves_a_label_back_to_the_version_of_the_file(make_world: MakeWorld) -> None:
    world = make_world({"track": ["prod"], "on_reject": {"move_back": True}})
    id = world.save("Answer kindly.", labels=["prod"])
    world.adopt(PATH.replace("latest", "prod"), label="prod", prompt_id=id)
    world.save("Answer briefly.", labels=["prod"])
    world.settle()
    pull = world.pull_request()
    world.place.close(pull.number)

    decision_told(world, pull, PullRequestAction.CLOSED)

    assert world.registry.entry(NAME).labels["prod"].version == 1


def test_a_label_goes_back_to_the_version_that_its_file_was_published_as(
    make_world: MakeWorld,
) -> None:
    """The file still names the version that it was edited from."""
    world = make_world({"track": ["prod"], "on_reject": {"move_back": True}, **PUBLISH})
    id = world.save("Answer kindly.", labels=["prod"])
    path = PATH.replace("latest", "prod")
    world.adopt(path, label="prod", prompt_id=id)
    edited(world, "kindly", "briefly", path)
    world.sweep()
    world.save("Answer in verse.", labels=["prod"])
    world.settle()
    pull = world.pull_request()
    world.place.close(pull.number)

    decision_told(world, pull, PullRequestAction.CLOSED)

    assert world.registry.entry(NAME).labels["prod"].version == 2


def test_the_word_on_a_changed_snippet_names_who_uses_it_and_shows_what_differs(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.registry.save("support/tone", completion("Be kind."), actor=ADA)
    world.save("@@@support/tone@@@ Answer.", "support/user")
    path = PATH.replace("reply", "tone")
    world.adopt(path)
    pull = engineers(world, {path: (world.place.text(path) or "").replace("Be kind", "Be brief")})

    decision_told(world, pull, PullRequestAction.OPENED)

    [comment] = world.place.comments(pull.number)
    assert "-Be kind." in comment
    assert "+Be brief." in comment
    assert "support/user" in comment


def test_a_push_of_a_proposals_branch_is_not_told_as_about_a_prompt(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.settle()

    pull = world.pull_request()
    tell(world, Pushed(REPOSITORY, pull.head, None, pull.head_commit))

    newest = world.worker.inbox.recent(1)[0]
    assert (newest.state, newest.outcome) == ("ignored", "nothing to do for any mapping")
