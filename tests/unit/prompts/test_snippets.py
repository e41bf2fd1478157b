from bridge.prompts.snippets import SnippetReference, find_snippet_references


def chat(*texts: str) -> dict[str, object]:
    messages = [{"role": "user", "content": [{"type": "text", "text": text}]} for text in texts]
    return {"type": "chat", "messages": messages}


def test_a_reference_without_a_pin_means_the_newest_version() -> None:
    assert find_snippet_references(chat("Use @@@tone@@@.")) == (SnippetReference("tone"),)


def test_pinned_references_keep_their_version_or_label() -> None:
    text = "@@@a@label:prod@@@ text @@@b@version_number:3@@@ and @@@folder/c d@@@"

    assert find_snippet_references(chat(text)) == (
        SnippetReference("a", label="prod"),
        SnippetReference("b", version=3),
        SnippetReference("folder/c d"),
    )


def test_each_reference_is_named_once_in_order_of_appearance() -> None:
    found = find_snippet_references(chat("@@@b@@@@@@a@@@", "@@@b@@@ @@@b@label:x@@@"))

    assert found == (
        SnippetReference("b"),
        SnippetReference("a"),
        SnippetReference("b", label="x"),
    )


def test_content_and_tools_are_searched_too() -> None:
    tools = [{"type": "function", "function": {"name": "f", "description": "@@@help@@@"}}]

    assert find_snippet_references({"type": "completion", "content": "@@@x@@@"}) == (
        SnippetReference("x"),
    )
    assert find_snippet_references(chat() | {"tools": tools}) == (SnippetReference("help"),)


def test_a_version_that_is_no_number_is_no_pin() -> None:
    assert find_snippet_references(chat("@@@a@version_number:new@@@")) == (SnippetReference("a"),)


def test_text_without_a_closed_mark_refers_to_nothing() -> None:
    assert find_snippet_references(chat("mail me @@@ home", "@@@@@")) == ()
