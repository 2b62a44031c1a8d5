"""What each delivery of a Hub webhook does, and that nothing but the secret starts anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.worlds.hub_deliveries import (
    COMMIT,
    OLD,
    REPO_ID,
    SECRET,
    Bus,
    Secrets,
    deliver,
    payload,
    receiving,
    ref,
    repository,
    url_event,
)

from model_import.aws.rotated_secret import KEPT_SECONDS, RotatedSecret, SecretEmptyError
from model_import.release.webhook import BODY_BYTES_AT_MOST, has_secret

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASED = [{"repo_id": REPO_ID, "revision": COMMIT}]
ACCEPTED, MALFORMED, REFUSED = 202, 400, 401

DOCUMENTED = {
    "a push to main": (payload(), RELEASED),
    "the first push to main": (payload(updatedRefs=[ref("refs/heads/main", old=None)]), RELEASED),
    "a push of several refs": (
        payload(updatedRefs=[ref("refs/tags/v1"), ref("refs/heads/main")]),
        RELEASED,
    ),
    "a narrower scope of a push": (payload(scope="repo.content.lfs"), RELEASED),
    "a narrower scope, created": (payload("create", "repo.content.lfs"), RELEASED),
    "a push to a private repository": (payload(repo=repository(private=True)), RELEASED),
    "a repository created": (payload("create", "repo", updatedRefs=None), []),
    "a repository deleted": (payload("delete", "repo", updatedRefs=None), []),
    "a repository moved": (payload("move", "repo", updatedRefs=None, movedTo={"name": "a/b"}), []),
    "a push to a pull request": (payload(updatedRefs=[ref("refs/pr/1")]), []),
    "a branch created": (payload(updatedRefs=[ref("refs/heads/dev", old=None)]), []),
    "a branch deleted": (payload(updatedRefs=[ref("refs/heads/main", new=None)]), []),
    "a tag": (payload(updatedRefs=[ref("refs/tags/main", old=None)]), []),
    "a tag deleted": (payload(updatedRefs=[ref("refs/tags/v1", new=None)]), []),
    "a discussion": (payload("create", "discussion", updatedRefs=None), []),
    "a comment": (payload("create", "discussion.comment", updatedRefs=None), []),
    "a change of settings": (
        payload("update", "repo.config", updatedRefs=None, updatedConfig={"private": True}),
        [],
    ),
    "a narrower scope of settings": (payload("update", "repo.config.dois"), []),
    "a scope that only begins alike": (payload("update", "repo.contents"), []),
    "a scope that is not known": (payload("update", "organisation"), []),
    "a data set": (payload(repo=repository(type="dataset")), []),
    "a Space": (payload(repo=repository(type="space")), []),
    "a model without an organisation": (payload(repo=repository(name="gpt2")), []),
    "a name that would leave its place": (payload(repo=repository(name="acme/../x/y")), []),
    "a commit that is none": (payload(updatedRefs=[ref("refs/heads/main", new="HEAD")]), []),
}


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    made = Bus()
    receiving(monkeypatch, made)
    return made


@pytest.mark.parametrize(("body", "released"), DOCUMENTED.values(), ids=DOCUMENTED)
def test_a_delivery_is_a_release_only_when_the_tracked_branch_of_a_model_moved(
    bus: Bus, body: dict[str, Any], released: list[dict[str, str]]
) -> None:
    assert deliver(url_event(json.dumps(body).encode())) == ACCEPTED
    assert bus.details == released


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_payload_is_refused_and_not_taken_for_a_fault(bus: Bus, body: bytes) -> None:
    assert deliver(url_event(body)) == MALFORMED
    assert not bus.details


@pytest.mark.parametrize("left_out", ["event", "repo"])
def test_a_payload_without_its_parts_is_malformed(bus: Bus, left_out: str) -> None:
    assert deliver(url_event(json.dumps(payload() | {left_out: 1}).encode())) == MALFORMED
    assert not bus.details


def test_a_body_beyond_the_bound_is_refused_unread(bus: Bus) -> None:
    body = json.dumps(payload(padding="x" * BODY_BYTES_AT_MOST)).encode()

    assert deliver(url_event(body)) == MALFORMED
    assert not bus.details


@pytest.mark.parametrize("body", [b"", b"{", json.dumps(payload()).encode()])
@pytest.mark.parametrize("secret", [None, "", "x", SECRET[:-1], SECRET + "x", "ß", "\ud800"])
def test_who_does_not_know_the_secret_learns_nothing_of_the_body(
    bus: Bus, secret: str | None, body: bytes
) -> None:
    headers = {} if secret is None else {"x-webhook-secret": secret}

    assert deliver(url_event(body, headers)) == REFUSED
    assert not bus.details


def test_a_text_body_is_read_as_one_in_base64_is(bus: Bus) -> None:
    assert deliver(url_event(json.dumps(payload()).encode(), encoded=False)) == ACCEPTED
    assert deliver(url_event(b"") | {"body": "no base64 at all"}) == MALFORMED
    assert bus.details == RELEASED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@st.composite
def mutated_bodies(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    """Return a documented payload with some of it replaced, or bytes cut and changed."""
    body = json.loads(json.dumps(draw(st.sampled_from([made for made, _ in DOCUMENTED.values()]))))
    for _ in range(draw(st.integers(0, 3))):
        place: Any = body
        while isinstance(place, dict | list) and place:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else [0]))
            if not isinstance(place[key], dict | list) or draw(st.booleans()):
                place[key] = draw(JSON)
                break
            place = place[key]
    text: bytes = json.dumps(body).encode()
    if draw(st.booleans()):
        cut = draw(st.integers(0, len(text)))
        text = text[:cut] + draw(st.binary(max_size=4)) + text[cut + draw(st.integers(0, 2)) :]
    return text


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=mutated_bodies(), secret=st.just(SECRET) | st.text(max_size=60), more=st.booleans())
def test_no_input_is_a_fault_and_none_is_taken_without_the_secret(
    bus: Bus, body: bytes, secret: str, *, more: bool
) -> None:
    bus.details.clear()
    headers = {"x-webhook-secret": secret} | ({"content-type": secret} if more else {})

    status = deliver(url_event(body, headers))

    assert status in ((ACCEPTED, MALFORMED) if secret == SECRET else (REFUSED,))
    for detail in bus.details:
        assert secret == SECRET
        assert detail["revision"] in (COMMIT, OLD)
        assert detail.keys() == {"repo_id", "revision"}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_rotated_secret_is_taken_at_once_and_the_one_before_it_still() -> None:
    clock, secrets = Clock(), Secrets({"AWSCURRENT": "first"})
    secret = RotatedSecret(secrets, "arn", clock)  # type: ignore[arg-type]  # a fake
    assert has_secret("first", secret)

    secrets.rotate("second")
    clock.now += 16
    assert has_secret("second", secret)
    assert has_secret("first", secret)

    secrets.rotate("third")
    clock.now += 16
    assert has_secret("third", secret)
    assert not has_secret("first", secret)


def test_a_secret_is_read_seldom_however_many_deliveries_and_attempts_there_are() -> None:
    clock, secrets = Clock(), Secrets({"AWSCURRENT": "first"})
    secret = RotatedSecret(secrets, "arn", clock)  # type: ignore[arg-type]  # a fake

    for _ in range(1000):
        assert has_secret("first", secret)
        assert not has_secret("guess", secret)
    assert secrets.reads == 2

    clock.now += KEPT_SECONDS
    assert has_secret("first", secret)
    assert secrets.reads == 4


def test_an_empty_secret_admits_nobody() -> None:
    secret = RotatedSecret(Secrets({"AWSCURRENT": " "}), "arn")  # type: ignore[arg-type]  # a fake

    assert not has_secret("", secret)
    assert not has_secret(" ", secret)
    with pytest.raises(SecretEmptyError):
        secret.current()


def test_a_secret_that_cannot_be_read_is_a_fault_and_no_refusal() -> None:
    secret = RotatedSecret(Secrets({}), "arn")  # type: ignore[arg-type]  # a fake

    with pytest.raises(Secrets.ResourceNotFoundException):
        has_secret("anything", secret)
