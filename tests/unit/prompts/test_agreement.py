"""When did both sides agree last? Told from what is recorded, proven, simultaneous, and equal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.prompts.agreement import (
    Agreement,
    AgreementEvidence,
    Decision,
    DecisionKind,
    DeclinedText,
    FileState,
    VersionState,
    find_agreement,
)

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def at(hour: float | None) -> datetime | None:
    return None if hour is None else MONDAY + timedelta(hours=hour)


def states(*said: tuple[str | None, float | None], **proposed: int) -> tuple[FileState, ...]:
    """What the file said since which hour; ``b=2``: the state "b" was merged as version 2."""
    return tuple(
        FileState(
            (f"c{place}",),
            text,
            at(hour),
            (proposed[text],) if text in proposed else (),
            place,
        )
        for place, (text, hour) in enumerate(said)
    )


def versions(*saved: tuple[str, float | None], **made: str) -> tuple[VersionState, ...]:
    """What each version says since which hour; ``b="c1"``: "b" was made of that commit."""
    return tuple(
        VersionState(number, text, at(hour), made.get(text), text in made)
        for number, (text, hour) in enumerate(saved, start=1)
    )


def agreed(
    text: str, version: int, commit: str | None = None, file: str | None = None
) -> Agreement:
    return Agreement(text, file or text, version, commit)


def place(evidence: AgreementEvidence) -> tuple[str | None, str | None, int | None] | None:
    found = find_agreement(evidence)
    return (found.platform, found.repository, found.version) if found else None


def test_a_second_edit_in_a_row_stands_on_the_first() -> None:
    line = states(("a", None), ("b", 1), ("c", 3))

    assert place(AgreementEvidence(line, versions(("a", 0), ("b", 2)))) == ("b", "b", 2)


def test_a_revert_is_no_return_to_what_both_said_before() -> None:
    line = states(("a", None), ("b", 1), ("a", 3))

    assert place(AgreementEvidence(line, versions(("a", 0), ("b", 2)))) == ("b", "b", 2)


@pytest.mark.parametrize("ahead", [-100, 100])
def test_what_a_version_was_made_of_outweighs_clocks(ahead: float) -> None:
    line = states(("a", None), ("b", 1), ("a", 3))
    saved = versions(("a", ahead), ("b", ahead + 2), b="c1")

    assert place(AgreementEvidence(line, saved)) == ("b", "b", 2)


@pytest.mark.parametrize("ahead", [-100, 100])
def test_what_was_merged_outweighs_clocks(ahead: float) -> None:
    line = states(("a", None), ("b", 1), ("a", 3), b=2)

    assert place(AgreementEvidence(line, versions(("a", ahead), ("b", ahead + 2)))) == ("b", "b", 2)


def test_a_merge_of_an_old_version_leaves_the_newer_one_to_be_proposed() -> None:
    line = states(("a", None), ("b", 5))

    assert place(AgreementEvidence(line, versions(("a", 0), ("b", 1), ("c", 2)))) == ("b", "b", 2)


def test_who_saves_the_old_text_again_has_moved() -> None:
    line = states(("a", None), ("b", 2))

    assert place(AgreementEvidence(line, versions(("a", 0), ("b", 1), ("a", 3)))) == ("b", "b", 2)


def test_edits_of_both_sides_have_what_both_said_before() -> None:
    line = states(("a", None), ("b", 1))

    assert place(AgreementEvidence(line, versions(("a", 0), ("c", 2)))) == ("a", "a", 1)


def test_nothing_is_found_where_both_never_said_the_same() -> None:
    assert find_agreement(AgreementEvidence(states(("a", None)), versions(("b", 0)))) is None


def test_what_is_recorded_holds_where_nothing_came_later() -> None:
    recorded = agreed("b", 4, "c0")
    evidence = AgreementEvidence(states(("c", 1)), versions(("d", 2)), recorded)

    assert find_agreement(evidence) == recorded


def test_a_decline_answers_the_text_that_was_proposed() -> None:
    line, saved = states(("a", None), ("c", 5)), versions(("a", 0), ("b", 1))
    declined = Decision(DecisionKind.DECLINED, 2, "b", "a")

    found = find_agreement(AgreementEvidence(line, saved, decisions=(declined,)))

    assert found == Agreement("a", "a", 1, "c0", DeclinedText("b", "a", 2))


def test_a_decline_before_what_both_agreed_on_later_says_nothing_more() -> None:
    """The label was moved back to what was declined once."""
    line = (FileState(("c5",), "c", place=5),)
    declined = Decision(DecisionKind.DECLINED, 2, "b", "a")
    held = (VersionState(2, "b"),)

    found = find_agreement(
        AgreementEvidence(line, held, agreed("c", 3, "c5"), (declined,), by_label=True)
    )

    assert found == agreed("c", 3, "c5")


def test_a_merge_with_another_text_answers_what_was_proposed() -> None:
    """What the file says beyond it is an edit."""
    line, saved = states(("a", None), ("c", 1)), versions(("a", 0), ("b", 2))
    merged = Decision(DecisionKind.MERGED, 2, "b", "c", place=3)

    found = find_agreement(AgreementEvidence(line, saved, decisions=(merged,)))

    assert found == Agreement("b", "b", 2, "c1")


def test_a_merge_before_what_is_recorded_says_nothing_more() -> None:
    """The label was moved back to what was merged once."""
    line = (FileState(("c5",), "c", place=5),)
    merged = Decision(DecisionKind.MERGED, 2, "b", "a", place=3)
    evidence = AgreementEvidence(
        line, (VersionState(2, "b"),), agreed("c", 3, "c5"), (merged,), by_label=True
    )

    assert place(evidence) == ("c", "c", 3)


# Labels


def label(
    *held: VersionState, said: tuple[FileState, ...], recorded: Agreement | None
) -> AgreementEvidence:
    return AgreementEvidence(said, held, recorded, by_label=True)


def test_a_label_is_where_a_version_of_its_file_was_made() -> None:
    """And was moved back since: that is a person's word."""
    made = VersionState(2, "b", at(2), "c1")
    said = states(("a", None), ("b", 1))

    evidence = label(made, VersionState(1, "a"), said=said, recorded=agreed("a", 1, "c0"))

    assert place(evidence) == ("b", "b", 2)


def test_a_version_saved_after_the_file_said_so_was_made_of_it() -> None:
    dropped = VersionState(2, "b", at(2), held=False)
    said = states(("a", None), ("b", 1))

    evidence = label(dropped, VersionState(1, "a"), said=said, recorded=agreed("a", 1, "c0"))

    assert place(evidence) == ("b", "b", 2)


def test_a_version_that_was_there_before_is_promoted_by_its_text() -> None:
    before = VersionState(2, "b", at(1), held=False)
    said = states(("a", None), ("b", 2))

    evidence = label(before, VersionState(1, "a"), said=said, recorded=agreed("a", 1, "c0"))

    assert place(evidence) == ("a", "a", 1)


def test_where_nothing_proves_a_label_goes_over_nobodys_choice() -> None:
    """The file's text may be what somebody moved the label away from."""
    before = VersionState(2, "b", None, held=False)
    said = states(("a", None), ("b", None))

    assert place(label(before, VersionState(1, "a"), said=said, recorded=None)) == ("b", "b", 2)


def test_where_no_version_has_the_files_text_the_file_alone_moved() -> None:
    said = states(("a", None), ("b", 1))

    assert place(label(VersionState(1, "a"), said=said, recorded=None)) == ("a", "a", 1)


# Any week


@st.composite
def weeks(draw: st.DrawFn) -> tuple[AgreementEvidence, tuple[str, str]]:
    """People edit both sides one after the other, and now and then one side takes over what the
    other says; with what both said last."""
    texts = iter(f"t{number}" for number in range(100))
    start = next(texts)
    file: list[tuple[str, float | None]] = [(start, None)]
    platform: list[tuple[str, float | None]] = [(start, 0.0)]
    last = (start, start)
    for hour in range(1, draw(st.integers(1, 12))):
        act = draw(st.sampled_from(["edit", "save", "merge", "publish", "revert"]))
        if act == "edit":
            file.append((next(texts), hour))
        elif act == "save":
            platform.append((next(texts), hour))
        elif act == "merge":
            file.append((platform[-1][0], hour))
        elif act == "publish":
            platform.append((file[-1][0], hour))
        elif len(file) > 1:
            file.append((file[-2][0], hour))
        if file[-1][0] == platform[-1][0]:
            last = (file[-1][0], platform[-1][0])
    collapsed = [each for n, each in enumerate(file) if n == 0 or each[0] != file[n - 1][0]]
    saved = [each for n, each in enumerate(platform) if n == 0 or each[0] != platform[n - 1][0]]
    return AgreementEvidence(states(*collapsed), versions(*saved)), last


@given(weeks())
@settings(max_examples=300, deadline=None)
def test_with_true_clocks_the_last_text_that_both_said_is_found(
    week: tuple[AgreementEvidence, tuple[str, str]],
) -> None:
    evidence, last = week

    found = find_agreement(evidence)

    assert found is not None
    assert (found.repository, found.platform) == last


@given(weeks())
@settings(max_examples=300, deadline=None)
def test_what_is_found_is_something_that_each_side_said(
    week: tuple[AgreementEvidence, tuple[str, str]],
) -> None:
    evidence, _ = week
    without_clocks = AgreementEvidence(
        tuple(FileState(s.commits, s.digest, None, (), s.place) for s in evidence.states),
        tuple(VersionState(v.number, v.digest) for v in evidence.versions),
    )

    found = find_agreement(without_clocks)

    assert found is not None
    assert found.repository in {state.digest for state in evidence.states}
    assert found.platform in {version.digest for version in evidence.versions}
