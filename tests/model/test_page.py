"""The model says what is promised to people, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.model.page import (
    LATEST,
    PROD,
    File,
    Page,
    Proposal,
    find_ought,
    settle_page,
)

ONE, TWO, THREE = ("a", "b", "c"), ("a", "b2", "c"), ("a", "b3", "c")
OTHER = ("a", "b", "c3")
NAME = "support/reply"


def in_step(*, prod: bool = False) -> Page:
    page = Page(NAME).saved(ONE).with_file(LATEST, File(ONE, NAME))
    return page.labelled(1).with_file(PROD, File(ONE, NAME)) if prod else page


def edited(page: Page, text: tuple[str, ...], label: str = LATEST) -> Page:
    file = page.file(label)
    assert file is not None
    return page.with_file(label, replace(file, text=text))


def settled(page: Page) -> Page:
    """The page where the order makes no difference."""
    (only,) = settle_page(page)
    return only


def proposed(page: Page, label: str = LATEST) -> Proposal | None:
    (only,) = find_ought(page, label).proposals
    return only


def test_a_second_edit_in_a_row_is_a_third_version() -> None:
    page = settled(edited(settled(edited(in_step(), TWO)), THREE))

    assert page.versions == (ONE, TWO, THREE)
    assert proposed(page) is None


def test_a_revert_is_a_version_with_the_old_text() -> None:
    page = settled(edited(settled(edited(in_step(), TWO)), ONE))

    assert page.versions == (ONE, TWO, ONE)


def test_a_label_that_was_moved_back_is_proposed() -> None:
    page = settled(edited(in_step(prod=True), TWO, PROD))
    assert (page.versions, page.prod) == ((ONE, TWO), 2)

    page = settled(page.labelled(1))

    assert (page.versions, page.prod) == ((ONE, TWO), 1)
    assert proposed(page, PROD) == Proposal(ONE, NAME, of=ONE)


@pytest.mark.parametrize(("kept", "versions"), [(THREE, (ONE, TWO, THREE)), (TWO, (ONE, TWO))])
def test_a_conflict_shows_both_and_what_the_reviewer_merges_is_published(
    kept: tuple[str, ...], versions: tuple[tuple[str, ...], ...]
) -> None:
    page = settled(edited(in_step().saved(TWO), THREE))
    proposal = proposed(page)
    assert proposal == Proposal(TWO, NAME, ("b2", "b3"), TWO)

    page = settled(page.merged(LATEST, proposal, File(kept, NAME)))

    assert page.versions == versions
    assert proposed(page) is None


def test_disjoint_edits_are_proposed_together_and_published_once_merged() -> None:
    page = settled(edited(in_step().saved(TWO), OTHER))
    both = ("a", "b2", "c3")
    proposal = proposed(page)
    assert proposal == Proposal(both, NAME, of=TWO)

    page = settled(page.merged(LATEST, proposal, File(both, NAME)))

    assert page.versions == (ONE, TWO, both)


def test_a_declined_text_is_answered_and_the_next_edit_is_published() -> None:
    page = in_step().saved(TWO)
    proposal = proposed(page)
    assert proposal == Proposal(TWO, NAME, of=TWO)
    declined = page.with_side(LATEST, page.sides[LATEST].decline(proposal))
    assert proposed(settled(declined)) is None

    assert settled(edited(declined, THREE)).versions == (ONE, TWO, THREE)
    assert proposed(settled(declined.saved(OTHER))) == Proposal(OTHER, NAME, of=OTHER)


def test_a_promotion_moves_the_label_to_the_version_that_has_the_text() -> None:
    page = settled(edited(in_step(prod=True), TWO))

    promoted = settled(edited(page, TWO, PROD))

    assert (promoted.versions, promoted.prod) == ((ONE, TWO), 2)


def test_a_first_file_for_a_label_sets_it() -> None:
    page = settled(in_step().with_file(PROD, File(ONE, NAME, has_id=False)))

    assert page.prod == 1
    assert proposed(page, PROD) == Proposal(ONE, NAME, of=ONE)


def test_a_new_file_is_made_and_its_next_text_is_published_beside_the_id() -> None:
    page = settled(Page(NAME).with_file(LATEST, File(ONE, NAME, has_id=False)))
    assert proposed(page) == Proposal(ONE, NAME, of=ONE)

    page = settled(edited(page, TWO))

    assert page.versions == (ONE, TWO)
    assert proposed(page) == Proposal(TWO, NAME, of=TWO)


def test_a_prompt_that_is_deleted_there_and_edited_here_needs_a_person() -> None:
    deleted = replace(in_step(), deleted=True)
    assert proposed(deleted) == Proposal(None, NAME)

    assert find_ought(edited(deleted, TWO), LATEST).person


def test_files_of_both_labels_may_be_published_in_any_order() -> None:
    page = edited(edited(in_step(prod=True), TWO), THREE, PROD)

    assert {one.versions for one in settle_page(page)} == {
        (ONE, TWO, THREE),
        (ONE, THREE, TWO),
        (ONE, THREE),
    }
