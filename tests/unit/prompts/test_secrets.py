"""Secrets are found in a prompt, told without being told, and prose is left alone."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid
from importlib.resources import files

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.prompts.prompt import Json, Prompt
from bridge.prompts.secret_scan import SecretFinding, check_allowed, find_secrets, mask_secrets
from tests.unit.prompts.harmless_prompts import documentation, written_prompts


def made(length: int, alphabet: str = string.ascii_letters + string.digits, seed: int = 7) -> str:
    """Random text with every class of character, the same in every run."""
    return "a1Z" + "".join(random.Random(seed).choices(alphabet, k=length - 3))


UPPER = string.ascii_uppercase + "234567"

# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "AWS access key": "AK" + "IA" + "".join(random.Random(3).choices(UPPER, k=16)),
    "GitHub token": "gh" + "p_" + made(36),
    "Slack token": "xo" + "xb-" + "2718281828-" + made(24),
    "Anthropic key": "sk" + "-ant-api03-" + made(80),
    "OpenAI key": "sk" + "-proj-" + made(48),
    "Google key": "AI" + "za" + made(35),
    "Stripe key": "sk" + "_live_" + made(24),
    "PromptLayer key": "p" + "l_" + made(32),
    "Hugging Face token": "h" + "f_" + made(34),
    "JSON Web Token": "ey" + "J" + made(30) + ".ey" + "J" + made(60) + "." + made(43),
}
HEX = "0123456789abcdef"
SECRETS |= {
    "Langfuse key": "sk" + f"-lf-{uuid.UUID(int=random.Random(5).getrandbits(128))}",
    "LangSmith key": "lsv2" + "_pt_" + made(32, HEX)[3:] + "0a7" + "_" + "9f3b6c01de",
    "Pinecone key": "pc" + "sk_" + "3UiVd2_" + made(60),
    "NVIDIA key": "nv" + "api-" + made(64),
    "Databricks token": "da" + "pi" + "".join(random.Random(4).choices(HEX, k=32)),
    "Tavily key": "tv" + "ly-dev-" + made(32),
    "ElevenLabs key": "s" + "k_" + "".join(random.Random(6).choices(HEX, k=48)),
    "Telegram bot token": "7201938465" + ":A" + "A" + made(33),
    "Discord bot token": "MTIwMzk4NDY1MjcxODI4MTgy" + "." + "Gx9aQ2" + "." + made(38),
    "Shopify token": "shp" + "at_" + "".join(random.Random(8).choices(HEX, k=32)),
}
INSIDE = {  # secrets that are a part of something, with what stands around them
    "Discord webhook": "https://discord.com/api/" + "webhooks/120398465271828182/" + made(68),
    "Azure account key": "AccountName=acme;Account" + "Key=" + made(86) + "==;EndpointSuffix=x",
}
OTHERS = ["gl" + "pat-" + made(20), "github" + "_pat_" + made(82), "sk" + "-" + made(48)]


def prompt(text: str, **fields: Json) -> Prompt:
    message = {"role": "system", "content": [{"type": "text", "text": text}]}
    return Prompt("support/reply", {"type": "chat", "messages": [message]}, **fields)


def found(text: str) -> list[str]:
    return [leak.kind for leak in find_secrets(prompt(text))]


@pytest.mark.parametrize(("kind", "secret"), SECRETS.items(), ids=SECRETS)
def test_a_known_key_is_found_anywhere_in_a_text(kind: str, secret: str) -> None:
    assert found(f"Ask the service with {secret}, then answer.") == [kind]


@pytest.mark.parametrize(("kind", "text"), INSIDE.items(), ids=INSIDE)
def test_a_known_key_is_found_inside_an_address_or_a_connection_string(
    kind: str, text: str
) -> None:
    assert found(f"Send it to {text} at once.") == [kind]


@pytest.mark.parametrize("secret", OTHERS)
def test_other_kinds_of_the_same_keys_are_found(secret: str) -> None:
    assert len(found(f"`{secret}`")) == 1


def test_a_private_key_is_found_and_the_mention_of_one_is_not() -> None:
    block = "-----BEGIN RSA PRIVATE KEY-----\n" + made(64) + "\n-----END RSA PRIVATE KEY-----"

    assert found(f"Sign with\n{block}") == ["private key"]
    assert found("Remove every -----BEGIN PRIVATE KEY----- you see from the answer.") == []


def test_a_password_in_an_address_is_found() -> None:
    assert found("Read postgres://bot:" + "Kx8wq2LmTz" + "@db.internal/prompts") == [
        "password in an address"
    ]
    assert found("Write postgres://user:password@localhost/db, or redis://:{secret}@host") == []


@pytest.mark.parametrize(
    "words",
    [
        "api_key = {}",
        '"token": "{}"',
        "the password is {}",
        "Authorization: Bearer {}",
        "SECRET={}",
    ],
)
def test_something_random_after_a_telling_word_is_found(words: str) -> None:
    assert len(found(words.format(made(32)))) == 1


def test_the_name_of_a_field_is_a_telling_word_too() -> None:
    held = prompt("Hello", metadata={"owner": {"api_key": made(32)}, "trace": made(32)})

    assert [leak.place for leak in find_secrets(held)] == ["metadata.owner.api_key"]


def test_a_leak_says_where_it_is_and_what_it_begins_with() -> None:
    secret = SECRETS["GitHub token"]

    (leak,) = find_secrets(prompt(f"First\nsecond {secret}\nthird"))

    assert leak == SecretFinding("template.messages[0].content[0].text", "GitHub token", "ghp_…", 2)
    assert str(leak) == ("GitHub token (ghp_…) in template.messages[0].content[0].text, line 2")


def test_every_secret_of_a_text_is_told_once() -> None:
    text = f"token: {SECRETS['GitHub token']} and key: {SECRETS['OpenAI key']}"

    assert found(text) == ["GitHub token", "OpenAI key"]


def test_of_a_thousand_harmless_prompts_at_most_one_is_stopped() -> None:
    prompts = [*written_prompts(3000, seed=1), *documentation()]

    stopped = [text for text in prompts if found(text)]

    assert len(prompts) > 5000
    assert len(stopped) <= len(prompts) / 1000, [find_secrets(prompt(text)) for text in stopped]


def test_in_the_same_prompts_a_planted_secret_is_found() -> None:
    secrets = list(SECRETS.items())
    for at, text in enumerate(written_prompts(200, seed=2)):
        kind, secret = secrets[at % len(secrets)]
        assert kind in found(f"{text}\nAsk with {secret} first."), kind


def test_every_shape_names_the_page_that_describes_it() -> None:
    shapes = yaml.safe_load(files("bridge.prompts").joinpath("secret_shapes.yaml").read_text())

    assert all(shape["page"].startswith("https://") for shape in shapes)
    kinds = {*SECRETS, *INSIDE, "GitLab token", "private key", "password in an address"}
    assert {shape["kind"] for shape in shapes} - kinds == {
        *("Slack webhook", "Google token", "package registry token", "SendGrid key"),
        "model provider key",
    }


HARMLESS = [
    "key: `isPremiumCustomer2024Q3Eligible`",
    "You are a helpful support assistant. Keep your answers short and to the point.",
    "Never reveal a password, a token or an API key, whatever the customer says.",
    "The key is understanding-what-the-customer-really-wants-before-answering.",
    "Set max_tokens: 4096 and use the model key gpt-4o-mini-2024-07-18 or claude-3-5-sonnet-20241022.",
    "api_key: {api_key}, token: ${API_TOKEN}, password: <your-password>, secret: {{ secret }}",
    "api_key = sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "token: your-token-goes-here-2024-abc",
    "api key: YOUR_API_KEY_HERE_123456789",
    f"Look at order {uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF)}, token {uuid.UUID(int=7**44)}.",
    f"The commit key {hashlib.sha1(b'x').hexdigest()} and the digest {hashlib.sha256(b'x').hexdigest()}",
    "Passwords need at least 8 characters, one digit and one symbol: explain that kindly.",
    "Use scikit-learn (sk-learn-contrib-hyphenated-long-name), not the other one.",
    "Das Passwort lautet niemals gleich; das Token ist ein Wortbestandteil. 秘密のトークンは何ですか。",
    "Write to https://example.com/docs/api-keys/rotate?version=3 or mail sam@example.com.",
    "secret: support/reply.v2, token: 2024-05-01T09:00:00Z, password: correct horse battery staple",
    "AKIAIOSFODNN7EXAMPLE is the example of the manual.",
    "pl_this_is_a_variable_name_of_ours and pl_promptlayerprompttemplates",
]  # fmt: skip


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_holds_no_secret(text: str) -> None:
    assert found(text) == []


def test_pictures_are_no_text() -> None:
    picture = base64.b64encode(random.Random(1).randbytes(3000)).decode()
    parts: list[Json] = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
        {"type": "media", "media": {"type": "base64", "token": picture}},
    ]

    held = Prompt("p", {"type": "chat", "messages": [{"role": "user", "content": parts}]})

    assert find_secrets(held) == ()


def test_what_is_allowed_is_no_leak() -> None:
    secret = SECRETS["Stripe key"]
    held = prompt(f"key {secret}")

    assert find_secrets(held, [secret]) == ()
    assert find_secrets(held, ["/sk_live_[A-Za-z0-9]+/"]) == ()
    assert find_secrets(held, ["/sk_live_/", secret[:-1]]) != ()  # only all of it counts


@pytest.mark.parametrize("entry", ["/[/", "", "/"])
def test_an_entry_that_cannot_be_used_is_told(entry: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_allowed(entry)


KEYS = st.sampled_from([*SECRETS.values(), *OTHERS])
PROSE = st.text(st.characters(categories=["Ll", "Po", "Zs"], exclude_characters="/-_"), max_size=40)


@given(before=PROSE, secret=KEYS, after=PROSE)
def test_a_secret_is_found_between_any_words_and_never_shown(
    before: str, secret: str, after: str
) -> None:
    held = prompt(f"{before} {secret} {after}")

    told = find_secrets(held)

    assert told
    assert all(secret[8:] not in repr(leak) + str(leak) for leak in told)


ANNOUNCED = [
    *("api key", "API_KEY", "apikey", "Access-Key", "secret", "client_secret", "Token", "key"),
    *("password", "Passwd", "passphrase", "PWD", "credential", "credentials", "authorization"),
]
BEFORE = [*ANNOUNCED, "access ", "api", "pass", "tok", "ſ", "\u212a", "İ", "ß", "…", "\n", "a", " "]


@given(
    before=st.lists(st.sampled_from(BEFORE), max_size=6).map("".join),
    word=st.sampled_from(ANNOUNCED),
    glue=st.sampled_from([": ", "=", " is ", " -> ", '": "', " Bearer "]),
)
def test_a_word_announces_a_secret_wherever_it_stands(before: str, word: str, glue: str) -> None:
    told = find_secrets(prompt(f"{before}\n{word}{glue}qW3-rT7zUi0pAs5D and more"))

    assert [leak.masked_text for leak in told][-1:] == ["qW3-…"]


@given(st.recursive(st.none() | st.text(max_size=60) | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=30), inner), max_leaves=12))  # fmt: skip
def test_anything_can_be_looked_through(anything: Json) -> None:
    find_secrets(Prompt("p", {"type": "chat", "field": anything}, metadata={"more": anything}))


@pytest.mark.parametrize(
    "text", ["a.", "key: ", "sk-", "://:", "eyJ", "-----BEGIN ", "token ", "x:y@"]
)
def test_a_hostile_text_takes_no_longer_than_its_length(text: str) -> None:
    assert find_secrets(prompt(text * (100_000 // len(text)))) == ()


@settings(deadline=None)
@given(
    st.sampled_from(sorted(SECRETS)),
    st.recursive(
        st.text(string.ascii_lowercase + " ", max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("text"), inner),
    ),
)
def test_what_is_masked_holds_no_secret_and_all_else(kind: str, around: Json) -> None:
    secret = SECRETS[kind]

    shown = mask_secrets(
        {"before": around, "said": f"take {secret} and go", secret: [1, None, True]}
    )

    assert secret not in json.dumps(shown)
    assert shown["before"] == around
    assert shown["said"].startswith("take ")
    assert shown["said"].endswith("… and go")
    assert [1, None, True] in shown.values()
