"""The scheduled watch, against a Hub in memory that is slow, away, or out of patience.

RELEASE_DAYS runs the long simulation for that many days, at full size (`make soak-releases`).
"""

from __future__ import annotations

import functools
import json
import os
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import boto3
import httpx2
import pytest
from huggingface_hub import HfApi, close_session, get_session
from moto import mock_aws

from model_import.errors import HubAccessRefusedError, HubUnavailableError, PolicyInvalidError
from model_import.release import hub_heads
from model_import.release.hub_heads import BoundedRequests, ModelApi, OutOfTimeError, read_heads
from model_import.release.policy import Policy
from model_import.release.pushed_release import Release
from model_import.release.seen_repositories import SeenAuthor, SeenRepositories
from model_import.release.watch import Watch, WatchReport
from model_import_cli.folder_hub.repositories import Repository
from model_import_cli.folder_hub.server import LocalHub
from watch_releases import app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mypy_boto3_dynamodb.service_resource import Table

DAYS: Final = float(os.environ.get("RELEASE_DAYS", "0"))
RUN_SECONDS: Final = 270
WINDOW_SECONDS: Final = 300
WINDOW_REQUESTS: Final = 1000
"""What the free tier of the Hub may ask of its API in a window (hub-docs rate-limits.md)."""


class RunDiedError(Exception):
    """The function ended in the middle of a run."""


@dataclass(slots=True)
class Clock:
    """Time that passes when somebody waits for it."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass(slots=True)
class Hub:
    """The lists of a Hub, its request budget and its bad hours."""

    clock: Clock
    heads: dict[str, str] = field(default_factory=dict)
    budget: int = WINDOW_REQUESTS
    failing: float = 0.0
    page_entries: int = 1000
    request_seconds: float = 0.2
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    windows: Counter[int] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    asked: list[str] = field(default_factory=list)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.clock.now += self.request_seconds
        response = self._answer(request)
        self.statuses[response.status_code] += 1
        return response

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        window = int(self.clock.now // WINDOW_SECONDS)
        self.asked.append(f"{request.url.path}?{request.url.query.decode()}")
        if self.windows[window] >= self.budget:
            seconds = WINDOW_SECONDS - self.clock.now % WINDOW_SECONDS
            limit = {
                "RateLimit": f'"api";r=0;t={int(seconds)}',
                "RateLimit-Policy": f'"fixed window";"api";q={self.budget};w={WINDOW_SECONDS}',
            }
            return httpx2.Response(429, headers=limit, json={})
        self.windows[window] += 1
        if self.chance.random() < self.failing:
            return httpx2.Response(500, json={})
        if request.url.path != "/api/models":
            repo_id = request.url.path.removeprefix("/api/models/")
            if repo_id not in self.heads:
                return httpx2.Response(404, headers={"X-Error-Code": "RepoNotFound"}, json={})
            return httpx2.Response(200, json={"id": repo_id, "sha": self.heads[repo_id]})
        return self._list(request)

    def _list(self, request: httpx2.Request) -> httpx2.Response:
        author = request.url.params["author"]
        named = [repo_id for repo_id in self.heads if repo_id.startswith(f"{author}/")]
        start = int(request.url.params.get("cursor", "0"))
        page = named[start : start + self.page_entries]
        headers = {}
        if start + self.page_entries < len(named):
            following = request.url.copy_set_param("cursor", str(start + self.page_entries))
            headers["Link"] = f'<{following}>; rel="next"'
        models = [{"id": repo_id, "sha": self.heads[repo_id]} for repo_id in page]
        return httpx2.Response(200, headers=headers, json=models)


@dataclass(slots=True)
class Seen:
    """The table in memory; writes may fail after they were made."""

    commits: dict[str, str] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    last: str | None = None

    def of(self, author: str) -> SeenAuthor:
        mine = {k: v for k, v in self.commits.items() if k.startswith(f"{author.casefold()}/")}
        return SeenAuthor(mine, author.casefold() in self.listed)

    def record(self, heads: Sequence[Release]) -> None:
        self.commits |= {head.repo_id.casefold(): head.commit for head in heads}

    def record_as_listed(self, author: str) -> None:
        self.listed.add(author.casefold())

    def last_author(self) -> str | None:
        return self.last

    def record_last_author(self, author: str) -> None:
        self.last = author


@dataclass(slots=True)
class Watcher:
    """A stack that watches a Hub."""

    hub: Hub
    clock: Clock
    policy: Policy
    seen: Seen | SeenRepositories = field(default_factory=Seen)
    told: list[Release] = field(default_factory=list)
    dies_telling: bool = False
    run_seconds: float = RUN_SECONDS

    def run(self) -> WatchReport:
        bounded = BoundedRequests(self.clock.now + self.run_seconds, self.clock)
        with bounded.client(httpx2.MockTransport(self.hub.answer)) as client:
            api = ModelApi(client, "https://hub.test", sleep=self.clock.sleep)
            watch = Watch(
                self.policy,
                self.seen,  # type: ignore[arg-type]  # a fake has the methods
                functools.partial(read_heads, api),
                self._publish,
            )
            return watch.run()

    def _publish(self, releases: Sequence[Release]) -> None:
        if self.dies_telling:
            raise RunDiedError
        self.told += releases


def policy(*watch: str, **more: object) -> Policy:
    return Policy.from_json(json.dumps({"watch": watch, "settle_seconds": 0} | more))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> Hub:
    return Hub(clock, {"acme/a": "1", "acme/b": "1", "other/c": "1"})


def test_what_is_there_at_first_is_recorded_and_each_push_after_it_is_told_once(
    hub: Hub, clock: Clock
) -> None:
    watcher = Watcher(hub, clock, policy("acme/*"))

    assert watcher.run().repositories == 2
    assert watcher.told == []
    hub.heads |= {"acme/a": "2", "other/c": "2"}
    watcher.run()
    watcher.run()
    assert watcher.told == [Release("acme/a", "2")]


def test_a_repository_that_appears_later_is_a_release(hub: Hub, clock: Clock) -> None:
    watcher = Watcher(hub, clock, policy("acme/*"))
    watcher.run()

    hub.heads["acme/new"] = "1"
    watcher.run()

    assert watcher.told == [Release("acme/new", "1")]


def test_what_the_policy_comes_to_name_is_told_from_its_next_push_on(
    hub: Hub, clock: Clock
) -> None:
    watcher = Watcher(hub, clock, policy("acme/a*"))
    watcher.run()

    watcher.policy = policy("acme/*")
    watcher.run()
    assert watcher.told == []
    hub.heads["acme/b"] = "2"
    watcher.run()
    assert watcher.told == [Release("acme/b", "2")]


def test_the_first_sight_is_told_if_the_policy_asks_for_it(hub: Hub, clock: Clock) -> None:
    watcher = Watcher(
        hub, clock, policy("acme/*", import_first_seen=True, **{"except": ["acme/b"]})
    )

    watcher.run()

    assert watcher.told == [Release("acme/a", "1")]


def test_few_named_repositories_are_requested_one_by_one_and_more_by_one_list(
    hub: Hub, clock: Clock
) -> None:
    Watcher(hub, clock, policy("acme/a", "acme/missing")).run()
    assert [path.partition("?")[0] for path in hub.asked] == [
        "/api/models/acme/a",
        "/api/models/acme/missing",
    ]

    hub.asked.clear()
    Watcher(hub, clock, policy("acme/a", "acme/b", "acme/missing")).run()
    (listed,) = hub.asked
    assert listed.startswith("/api/models?author=acme")


def test_a_list_is_followed_to_its_last_page(hub: Hub, clock: Clock) -> None:
    hub.heads |= {f"acme/{number}": "1" for number in range(25)}
    hub.page_entries = 10

    report = Watcher(hub, clock, policy("acme/*")).run()

    assert report.repositories == 27
    assert len(hub.asked) == 3


def test_a_short_wait_for_the_budget_is_waited_for(hub: Hub, clock: Clock) -> None:
    clock.now = WINDOW_SECONDS - 60
    hub.budget, hub.windows[0] = 1, 1

    report = Watcher(hub, clock, policy("acme/*")).run()

    assert report.authors == 1
    assert hub.statuses[429] == 1
    assert clock.now < WINDOW_SECONDS + 5


def test_a_run_never_waits_past_its_end_and_the_next_begins_where_it_left_off(
    hub: Hub, clock: Clock
) -> None:
    hub.budget = 1
    watcher = Watcher(hub, clock, policy("acme/*", "other/*", "third/*"))

    first = watcher.run()
    assert (first.authors, first.left) == (1, ("other", "third"))
    assert "the Hub's request limit for this window is reached" in str(first.why_left)
    assert clock.now < 1

    clock.now = WINDOW_SECONDS
    assert watcher.run().left == ("third", "acme")
    clock.now = 2 * WINDOW_SECONDS
    assert watcher.run().left == ("acme", "other")


def test_an_author_for_whom_a_whole_run_is_too_short_does_not_hold_up_the_others(
    hub: Hub, clock: Clock
) -> None:
    hub.page_entries, hub.request_seconds = 1, 2
    hub.heads |= {f"acme/{number}": "1" for number in range(300)}
    watcher = Watcher(hub, clock, policy("acme/*", "other/*"))

    assert [watcher.run().authors for _ in range(6)] == [0, 1, 0, 1, 0, 1]
    assert "other/c" in watcher.seen.of("other").commits


def test_a_hub_that_is_away_ends_a_run_soon_and_loses_nothing(hub: Hub, clock: Clock) -> None:
    watcher = Watcher(hub, clock, policy("acme/*", "other/*", "third/*", "zeta/*"))
    watcher.run()
    hub.failing = 1.0
    hub.heads |= {"acme/a": "2", "other/c": "2"}

    report = watcher.run()
    assert report.released == ()
    assert "it answered 500" in str(report.why_left)

    hub.failing = 0.0
    watcher.run()
    assert sorted(watcher.told, key=str) == [Release("acme/a", "2"), Release("other/c", "2")]


def test_a_token_that_the_hub_refuses_is_told_by_name(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "_answer", lambda *_: httpx2.Response(401, json={}))

    with pytest.raises(HubAccessRefusedError, match="HTTP 401"):
        Watcher(Hub(clock), clock, policy("acme/*")).run()


@pytest.mark.parametrize("content", [b"<html>", b"[1]", b'{"a": 1}'])
def test_an_answer_that_is_no_list_is_the_hubs_fault(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(Hub, "_answer", lambda *_: httpx2.Response(200, content=content))
    client = BoundedRequests(60, clock).client(httpx2.MockTransport(Hub(clock).answer))

    with client, pytest.raises(HubUnavailableError, match="cannot be read as a list of models"):
        read_heads(ModelApi(client, "https://hub.test"), "acme", ("acme/*",))


def test_every_request_has_a_time_limit_that_ends_with_the_run(clock: Clock) -> None:
    bounded = BoundedRequests(40, clock)
    request = httpx2.Request("GET", "https://hub.test", extensions={"timeout": {"read": None}})

    bounded._before(request)
    assert request.extensions["timeout"]["read"] == hub_heads._REQUEST_SECONDS_AT_MOST
    clock.now = 35
    bounded._before(request)
    assert request.extensions["timeout"]["read"] == 5
    clock.now = 40
    with pytest.raises(OutOfTimeError):
        bounded._before(request)


def seen_table() -> Table:
    return boto3.resource("dynamodb").create_table(
        TableName="seen",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "author", "AttributeType": "S"},
            {"AttributeName": "name", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "author", "KeyType": "HASH"},
            {"AttributeName": "name", "KeyType": "RANGE"},
        ],
    )


@pytest.mark.parametrize("fault", [None, PolicyInvalidError])
def test_a_run_that_is_out_of_time_leaves_the_hub_to_whoever_else_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception] | None
) -> None:
    context: Any = SimpleNamespace(
        function_name="watch",
        memory_limit_in_mb=128,
        invoked_function_arn="arn",
        aws_request_id="1",
        get_remaining_time_in_millis=lambda: 0,
    )
    names = {"RELEASE_POLICY_NAME": "policy", "SEEN_TABLE": "seen"}
    text = json.dumps({"watch": ["acme/*"], "settle_seconds": "x" if fault else 0})
    (tmp_path / "config.json").write_text("{}")
    with mock_aws(), LocalHub([Repository("acme/a", tmp_path)]) as hub:
        boto3.client("ssm").put_parameter(Name="policy", Value=text, Type="String")
        seen_table()
        for name, value in names.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(app, "settings", lambda: SimpleNamespace(hub_endpoint=hub.endpoint))
        monkeypatch.setattr(app, "hub_token", lambda: None)

        if fault:
            with pytest.raises(fault):
                app.handler({}, context)
        else:
            assert app.handler({}, context)["why_left"] == "no time is left for another request"

        try:
            assert HfApi(endpoint=hub.endpoint, token=False).model_info("acme/a").id == "acme/a"
            assert not get_session().event_hooks["response"]
        finally:
            close_session()


def test_the_table_keeps_what_the_watch_has_seen() -> None:
    with mock_aws():
        seen = SeenRepositories(seen_table())
        assert seen.of("acme") == SeenAuthor({}, is_listed=False)
        assert seen.last_author() is None

        seen.record([Release(f"Acme/Model-{number}", str(number)) for number in range(60)])
        seen.record([Release("Acme/Model-7", "8"), Release("other/x", "1")])
        seen.record_as_listed("Acme")
        seen.record_last_author("Acme")

        assert seen.last_author() == "Acme"
        assert len(seen.of("acme").commits) == 60
        assert seen.of("ACME").commit("acme/MODEL-7") == "8"
        assert seen.of("acme").is_listed
        assert not seen.of("other").is_listed


def test_no_release_is_lost_in_ten_days_of_pushes_and_faults(clock: Clock) -> None:
    """500 repositories of 50 authors; a tenth of that for a day by default."""
    chance = random.Random(7)  # noqa: S311 – no secret
    authors, days = (50, DAYS) if DAYS else (5, 1.0)
    names = [
        f"author-{author:02}/model-{number}" for author in range(authors) for number in range(10)
    ]
    hub = Hub(clock, dict.fromkeys(names, "0"), chance=chance)
    watcher = Watcher(hub, clock, policy(*{f"{name.partition('/')[0]}/*" for name in names}))
    pushed: set[Release] = set()
    overtaken: set[Release] = set()
    ends_at, run, push = days * 86400, 0, 0
    while clock.now < ends_at:
        for repo_id in chance.sample(names, 2) if run else ():
            push += 1
            before = Release(repo_id, hub.heads[repo_id])
            if before in pushed and before not in watcher.told:
                overtaken.add(before)
            hub.heads[repo_id] = str(push)
            pushed.add(Release(repo_id, str(push)))
        hub.failing = chance.choice([0.0, 0.0, 0.1, 0.5, 1.0])
        # Others use the same address: what is left of a window may be little.
        hub.budget = chance.choice([WINDOW_REQUESTS, WINDOW_REQUESTS, 3])
        watcher.dies_telling = chance.random() < 0.1
        if chance.random() < 0.1:
            _die_after_telling(watcher)
        else:
            with suppress(RunDiedError):
                watcher.run()
        run += 1
        clock.now = max(clock.now, run * 900.0)
    hub.failing, hub.budget, watcher.dies_telling = 0.0, WINDOW_REQUESTS, False
    clock.now += WINDOW_SECONDS
    assert watcher.run().left == ()

    told = Counter(watcher.told)
    assert set(told) | overtaken == pushed
    assert not set(told) & {Release(name, "0") for name in names}
    assert max(hub.windows.values()) <= WINDOW_REQUESTS
    assert hub.statuses[429]
    assert hub.statuses[500]
    # Twice is what a run that died costs; the execution's name makes one import of it.
    assert told.total() - len(told) <= run * 0.2 * 2


def _die_after_telling(watcher: Watcher) -> None:
    seen = watcher.seen

    class DyingSeen(Seen):
        def record(self, heads: Sequence[Release]) -> None:
            if heads:
                raise RunDiedError

    assert isinstance(seen, Seen)
    watcher.seen = DyingSeen(seen.commits, seen.listed, seen.last)
    try:
        watcher.run()
    except RunDiedError:
        seen.last = watcher.seen.last
    finally:
        watcher.seen = seen
