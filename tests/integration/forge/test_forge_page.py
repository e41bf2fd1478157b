"""The local forge's page, over real HTTP: what it shows, what it does, and what it lets nobody do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bridge.forge.forge import PullRequestContent, PullRequestState, StatusState
from bridge.forge.local_forge import LocalForge
from bridge.forge.local_repository import BareRepository
from bridge.sandbox.forge_page import create_forge_page
from bridge.sandbox.forge_page_rendering import MAX_DIFF_LINES, parse_diff, render_body
from bridge.sandbox.local_http_client import create_local_client
from tests.standins.serve_app import serve

NAME = "acme/bot"
PULL = f"/{NAME}/pull/1"
OLD, NEW = b"Hello <b>you</b>\nsame\n", b"Goodbye <b>you</b>\nsame\n"


@pytest.fixture
def forge(tmp_path: Path) -> LocalForge:
    """A repository with one open pull request."""
    path = LocalForge.create_repository(tmp_path, NAME, {"reply.yaml": OLD})
    git = BareRepository(path)
    git.commit_files("work", git.list_branches()["main"], {"reply.yaml": NEW})
    forge = LocalForge(tmp_path, NAME)
    content = PullRequestContent("Say <goodbye>", "What *changed*.", labels=("prompt",))
    forge.create_pull_request("work", "main", content)
    return forge


@pytest.fixture
def browser(forge: LocalForge, tmp_path: Path) -> Iterator[httpx2.Client]:
    """A client that sends, as browsers do, the origin of the page with every form."""
    with (
        serve(create_forge_page(tmp_path)) as url,
        create_local_client(base_url=url, headers={"Origin": url}, follow_redirects=True) as client,
    ):
        yield client


# What it shows.


def test_repositories_and_pull_requests_are_listed(browser: httpx2.Client) -> None:
    assert "1 open of 1 pull request<" in browser.get("/").text
    assert f'<a href="{PULL}">Say &lt;goodbye&gt;</a>' in browser.get(f"/{NAME}").text


def test_a_pull_request_shows_its_text_commits_and_diff(browser: httpx2.Client) -> None:
    page = browser.get(PULL).text

    assert "What <em>changed</em>." in page
    assert "Change files" in page
    assert "Goodbye &lt;b&gt;you&lt;/b&gt;" in page
    assert "<b>you" not in page


def test_comments_are_shown(browser: httpx2.Client, forge: LocalForge) -> None:
    forge.upsert_comment(1, "conflict", "Please **merge** by hand.")

    assert "Please <strong>merge</strong> by hand." in browser.get(PULL).text


@pytest.mark.parametrize(
    "path", ["/nobody/nothing", f"/{NAME}/pull/9", "/..%2f..%2fetc/passwd", "/x", f"{PULL}/eat"]
)
def test_what_is_not_there_is_not_found(browser: httpx2.Client, path: str) -> None:
    answer = browser.post(path) if path.endswith("eat") else browser.get(path)

    assert answer.status_code == 404
    assert "That did not work" in answer.text


def test_a_lone_surrogate_breaks_no_page(browser: httpx2.Client, forge: LocalForge) -> None:
    pull_request = forge.read_pull_request(1)
    forge.update_pull_request(pull_request, PullRequestContent("Odd \ud800", "body \udfff"))

    assert browser.get(PULL).status_code == 200


# What it does.


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_button_merges(browser: httpx2.Client, forge: LocalForge, how: str) -> None:
    page = browser.post(f"{PULL}/{how}")

    assert page.url.path == PULL
    assert "Merged" in page.text
    assert forge.read_pull_request(1).state is PullRequestState.MERGED


def test_buttons_close_and_reopen(browser: httpx2.Client, forge: LocalForge) -> None:
    browser.post(f"{PULL}/close")
    assert forge.read_pull_request(1).state is PullRequestState.CLOSED

    browser.post(f"{PULL}/reopen")
    assert forge.read_pull_request(1).state is PullRequestState.OPEN


def test_a_refusal_is_told_on_the_page(browser: httpx2.Client, forge: LocalForge) -> None:
    path = Path(forge.create_git_remote().url)
    git = BareRepository(path)
    git.commit_files("main", git.list_branches()["main"], {"reply.yaml": b"Something else\n"})

    answer = browser.post(f"{PULL}/merge")

    assert answer.status_code == 409
    assert "conflicts with its base in reply.yaml" in answer.text
    assert "Merge</button>" in answer.text


# What it lets nobody do.


def test_the_checks_of_a_pull_request_are_shown(browser: httpx2.Client, forge: LocalForge) -> None:
    commit = forge.read_pull_request(1).head_commit
    forge.set_commit_status(
        commit, "evals", StatusState.FAILURE, "0.70 <is> too low", "javascript:evil()"
    )
    forge.set_commit_status(
        commit, "schema", StatusState.SUCCESS, "Valid.", "https://example.com/7"
    )

    page = browser.get(PULL).text

    assert "evals</b>: failure" in page
    assert "0.70 &lt;is&gt; too low" in page
    assert '<a href="https://example.com/7"' in page
    assert "javascript:" not in page


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
def test_a_form_of_another_site_changes_nothing(
    browser: httpx2.Client, forge: LocalForge, origin: str
) -> None:
    answer = browser.post(f"{PULL}/merge", headers={"Origin": origin})

    assert answer.status_code == 403
    assert forge.read_pull_request(1).state is PullRequestState.OPEN


def test_a_foreign_host_name_gets_no_answer(browser: httpx2.Client) -> None:
    headers = {"Host": "evil.example", "Origin": "http://evil.example"}

    assert browser.get("/", headers=headers).status_code == 400
    assert browser.post(f"{PULL}/merge", headers=headers).status_code == 400


def test_looking_never_changes_anything(browser: httpx2.Client) -> None:
    assert browser.get(f"{PULL}/merge").status_code == 405


def test_the_policy_allows_no_script_and_one_style(browser: httpx2.Client) -> None:
    answer = browser.get(PULL)
    policy = answer.headers["content-security-policy"]

    assert policy.startswith("default-src 'none'; style-src 'nonce-")
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert browser.get(PULL).headers["content-security-policy"] != policy


# Untrusted text.


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ('a <sub onclick="x()">b</sub>', '<p>a &lt;sub onclick="x()"&gt;b</sub></p>\n'),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("before <!-- hidden --> after", "<p>before  after</p>\n"),
        ("<!-- hidden -->\n\nafter", "<p>after</p>\n"),
        ("one<br>two<br/>three", "<p>one<br>two<br>three</p>\n"),
        ("<DETAILS open>", "<details open>"),
        ("<div><details><b>x</b></details>", "&lt;div&gt;<details>&lt;b&gt;x&lt;/b&gt;</details>"),
        ("```py\n<b>\n```", "<pre><code>&lt;b&gt;\n</code></pre>\n"),
        ('```"><script>\nx\n```', "<pre><code>x\n</code></pre>\n"),
    ],
)
def test_html_of_a_body_is_shown_as_text_except_a_few_tags(body: str, html: str) -> None:
    assert str(render_body(body)).strip().replace("&quot;", '"') == html.strip()


def test_a_folded_diff_is_rendered_with_colours() -> None:
    body = "<details><summary>system</summary>\n\n```diff\n-old\n+new <i>\n```\n\n</details>\n"

    html = render_body(body)

    assert html.startswith("<details><summary>system</summary>")
    assert '<span class="added">+new &lt;i&gt;\n</span>' in html
    assert html.strip().endswith("</details>")


def test_a_table_is_a_table() -> None:
    assert "<td>b</td>" in render_body("| a |\n|---|\n| b |\n")


DIFF = """\
diff --git a/one.txt b/one.txt
index 1..2 100644
--- a/one.txt
+++ b/one.txt
@@ -3,3 +3,3 @@ def
 same
--- looks like a header
+++ so does this
 same\rstill
\\ No newline at end of file
diff --git "a/\\303\\274.txt" "b/\\303\\274.txt"
deleted file mode 100644
"""


def test_a_diff_is_read_by_file_with_line_numbers() -> None:
    one, other = parse_diff(DIFF)

    assert (one.path, one.added, one.removed) == ("one.txt", 1, 1)
    assert [(line.kind, line.text, line.old, line.new) for line in one.lines] == [
        ("hunk", "@@ -3,3 +3,3 @@ def", None, None),
        ("same", "same", 3, 3),
        ("removed", "-- looks like a header", 4, None),
        ("added", "++ so does this", None, 4),
        ("same", "same\rstill", 5, 5),
        ("note", "No newline at end of file", None, None),
    ]
    assert [line.text for line in other.lines] == ["deleted file mode 100644"]


def test_an_endless_diff_is_cut_with_a_word() -> None:
    header = "diff --git a/x b/x\n@@ -0,0 +1,9 @@\n"

    (file,) = parse_diff(header + "+line\n" * 3 * MAX_DIFF_LINES)

    assert len(file.lines) <= MAX_DIFF_LINES
    assert "not shown" in file.lines[-1].text
