"""The actions of people in the demo, and the waits for their effects."""

from __future__ import annotations

from bridge.errors import UnavailableError
from bridge.evals.pull_request_feedback import COMMENT_MARKER, STATUS_NAME
from bridge.forge.forge import PullRequest, StatusState
from bridge.promptlayer.webhook_events import EventUser
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.demo_environment import DemoEnvironment, wait_until
from bridge.sandbox.registry_entries import RegistryEntry

DEMO_PROMPT_NAME = "support/reply"
DEMO_PROMPT_PATH = f"prompts/latest/{DEMO_PROMPT_NAME}.yaml"
DEMO_EDITOR = EventUser(7, "Jane Doe", "jane@example.com")

DEMO_MODEL: JsonObject = {
    "model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}
}


def build_template(tone: str = "kindly") -> JsonObject:
    """The demo's prompt, with one variable word."""
    system = (
        "You are a support assistant of Acme.\n"
        f"Answer {tone}, in {{language}}, in at most three sentences.\n"
        "If you do not know, say so and name the help desk.\n"
    )
    return {
        "type": "chat",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": system}]},
            {"role": "user", "content": [{"type": "text", "text": "{question}"}]},
        ],
    }


class DemoActions:
    """Act in a demo environment, and wait for the bridge's reaction."""

    def __init__(self, environment: DemoEnvironment) -> None:
        self.environment = environment
        self.forge = environment.forge

    def save_prompt(self, tone: str, why: str) -> None:
        self.environment.registry.save_version(
            DEMO_PROMPT_NAME,
            build_template(tone),
            metadata=DEMO_MODEL,
            commit_message=why,
            actor=DEMO_EDITOR,
        )

    @property
    def registry_entry(self) -> RegistryEntry:
        """The demo's prompt in the stand-in of PromptLayer."""
        return self.environment.registry.find_entry_by_name(DEMO_PROMPT_NAME)

    def wait_for_only_pull_request(self) -> PullRequest:
        """The bridge's one open pull request."""
        found = self.forge.list_open_pull_requests("promptlayer/")
        require(len(found) == 1, f"{len(found)} pull requests are open instead of one")
        return found[0]

    def wait_for_pull_request(self, path: str, text: str) -> PullRequest:
        """Wait for the open pull request that writes this text into this file."""
        found: list[PullRequest] = []

        def there() -> bool:
            found[:] = [
                one
                for one in self.forge.list_open_pull_requests("promptlayer/")
                if f"+++ b/{path}" in (diff := self.forge.diff(one.number))
                and f"+      Answer {text}" in diff
            ]
            return len(found) == 1

        wait_until(there, f"no pull request brings “{text}” into {path}")
        return found[0]

    def wait_for_good_evaluation(self, pull: PullRequest) -> None:
        """Wait until the head's status and the pull request's comment say that it is good enough."""

        def is_there() -> bool:
            told = self.forge.read_statuses(pull.head_commit).get(STATUS_NAME)
            is_good = told is not None and told.state is StatusState.SUCCESS
            return is_good and COMMENT_MARKER in self.forge.read_comments(pull.number)

        wait_until(is_there, f"no good evaluation was told on {pull.url}")

    def wait_until_settled(self) -> None:
        """Wait until every sent delivery is settled."""
        self.environment.webhooks.wait_until_sent()
        wait_until(self._nothing_waits, "the bridge was still busy with deliveries")

    def _nothing_waits(self) -> bool:
        return not {"new", "dispatched"} & {
            one["state"] for one in self.environment.list_deliveries()
        }


def require(condition: bool, otherwise: str) -> None:
    """Raise UnavailableError with ``otherwise`` unless the condition holds."""
    if not condition:
        raise UnavailableError(f"Not as it should be: {otherwise}.")
