"""What preflight says of an account: quotas, names, earlier imports, missing permissions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.worlds.account_world import MODELS_QUOTA, WANTED, AccountWorld, account_world

from model_import.bedrock.account import JOBS_QUOTA, read_models, read_quota
from model_import.bedrock.rules import bedrock_rules
from model_import.errors import AwsUnavailableError
from model_import.preflight.account import check_account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_import.findings.finding import Finding

LIST_MODELS = "bedrock:GET /imported-models"
LIST_JOBS = "bedrock:GET /model-import-jobs"
LIST_TAGS = "bedrock:POST /listTagsForResource"
GET_QUOTA = "servicequotas:GetServiceQuota"
GET_DEFAULT_QUOTA = "servicequotas:GetAWSDefaultServiceQuota"


@pytest.fixture(scope="module")
def shared_world() -> Iterator[AccountWorld]:
    with account_world() as made:
        yield made


@pytest.fixture
def here(shared_world: AccountWorld) -> AccountWorld:
    shared_world.reset()
    return shared_world


def only_finding(here: AccountWorld) -> Finding:
    (finding,) = check_account(here.clients, WANTED)
    return finding


def test_an_empty_account_has_nothing_to_say(here: AccountWorld) -> None:
    assert check_account(here.clients, WANTED) == []


def test_a_full_quota_is_refused_with_every_model_that_has_a_slot(
    here: AccountWorld,
) -> None:
    here.reset(quotas={MODELS_QUOTA: 12})
    names = [f"{'m' * 50}-{number:012}" for number in range(12)]
    for name in names:
        here.import_model(name)

    finding = only_finding(here)

    assert (finding.code, finding.severity) == ("MODEL_QUOTA_FULL", "error")
    assert all(name in finding.found for name in names)
    assert "12 (the account's own figure)" in finding.accepted
    assert "delete-imported-model" in finding.remedy


def test_a_running_import_takes_one_of_the_slots(here: AccountWorld) -> None:
    here.import_model("one")
    here.import_model("two")
    job = here.start_job("three")

    full, waiting = check_account(here.clients, WANTED)

    assert full.code == "MODEL_QUOTA_FULL"
    assert full.found == "3 of 3 slots are taken, by one, two, three (being imported)"
    assert (waiting.code, waiting.severity) == ("IMPORT_SLOT_TAKEN", "warning")
    assert job in waiting.found


def test_a_running_import_of_another_model_is_waited_for_and_refuses_nothing(
    here: AccountWorld,
) -> None:
    job = here.start_job("other")

    finding = only_finding(here)

    assert (finding.code, finding.severity) == ("IMPORT_SLOT_TAKEN", "warning")
    assert job in finding.found
    assert "waits for a free slot" in finding.remedy


def test_models_on_every_page_are_read(here: AccountWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.bedrock.control_plane.PAGE_SIZE", 1)
    here.import_model("one", {"team": "nlp"})
    here.import_model("two")

    assert {model.model_name: model.tags for model in read_models(here.clients.bedrock)} == {
        "one": {"team": "nlp"},
        "two": {},
    }


def test_an_import_of_before_is_told_apart_from_a_name_that_is_taken(here: AccountWorld) -> None:
    arn = here.import_model("t", WANTED.tags | {"team": "nlp"})

    before = only_finding(here)
    (taken,) = check_account(here.clients, replace(WANTED, commit="0" * 40))

    assert (before.code, before.severity) == ("MODEL_ALREADY_IMPORTED", "warning")
    assert arn in before.found
    assert (taken.code, taken.severity) == ("MODEL_NAME_TAKEN", "error")
    assert arn in taken.found


def test_an_import_of_before_needs_no_free_slot(here: AccountWorld) -> None:
    here.reset(quotas={MODELS_QUOTA: 1})
    here.import_model("t", WANTED.tags)

    assert only_finding(here).code == "MODEL_ALREADY_IMPORTED"


def test_an_import_that_is_running_is_joined_and_one_of_the_same_name_is_not(
    here: AccountWorld,
) -> None:
    here.start_job("t", WANTED.tags)

    other = check_account(here.clients, replace(WANTED, commit="0" * 40))

    assert only_finding(here).code == "MODEL_BEING_IMPORTED"
    assert [finding.code for finding in other] == ["MODEL_NAME_TAKEN", "IMPORT_SLOT_TAKEN"]


def test_the_same_commit_under_another_name_is_told(here: AccountWorld) -> None:
    here.import_model("first", WANTED.tags)

    (told,) = check_account(here.clients, replace(WANTED, name_given=True))

    assert (told.code, told.severity) == ("MODEL_IMPORTED_BY_ANOTHER_NAME", "warning")
    assert only_finding(here).code == "MODEL_ALREADY_IMPORTED"


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        (LIST_MODELS, "bedrock:ListImportedModels"),
        (LIST_JOBS, "bedrock:ListModelImportJobs"),
        (LIST_TAGS, "bedrock:ListTagsForResource"),
    ],
)
def test_a_permission_that_is_missing_is_named_as_the_iam_action(
    here: AccountWorld, operation: str, action: str
) -> None:
    here.import_model("one")
    here.refuse(operation)

    finding = only_finding(here)
    (to_a_person,) = check_account(here.clients, WANTED, must_know=False)

    assert (finding.code, finding.severity) == ("PERMISSION_MISSING", "error")
    assert action in finding.where
    assert f"Allow {action}" in finding.remedy
    assert to_a_person.severity == "warning"


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerException", "ExpiredToken"])
def test_a_bedrock_that_does_not_answer_is_never_taken_for_an_empty_account(
    here: AccountWorld, code: str
) -> None:
    here.refuse(LIST_MODELS, code)

    with pytest.raises(AwsUnavailableError, match=f"ListImportedModels: {code}"):
        check_account(here.clients, WANTED)


def test_an_endpoint_that_is_away_is_named(here: AccountWorld) -> None:
    clients = here.clients
    here.account = replace(here.account, endpoint="http://127.0.0.1:9")
    away = here.clients
    here.account = replace(here.account, endpoint=clients.bedrock.meta.endpoint_url)

    with pytest.raises(AwsUnavailableError, match="Could not connect"):
        check_account(away, WANTED)


def test_a_quota_is_the_accounts_own_then_the_default_of_aws_then_that_of_the_data(
    here: AccountWorld,
) -> None:
    here.reset(quotas={MODELS_QUOTA: 20})
    own = read_quota(here.clients.quotas, MODELS_QUOTA)
    default = read_quota(here.clients.quotas, JOBS_QUOTA)
    here.refuse(GET_QUOTA)
    denied_once = read_quota(here.clients.quotas, MODELS_QUOTA)
    here.refuse(GET_DEFAULT_QUOTA, "TooManyRequestsException")
    of_the_data = read_quota(here.clients.quotas, MODELS_QUOTA)

    assert (own.value, own.origin, own.denied) == (20, "the account's own figure", None)
    assert (default.value, default.denied) == (1, None)
    assert "AWS's default" in default.origin
    assert (denied_once.value, denied_once.denied) == (3, "servicequotas:GetServiceQuota")
    assert of_the_data.value == bedrock_rules().quota(MODELS_QUOTA).default
    assert bedrock_rules().quota(MODELS_QUOTA).date in of_the_data.origin


def test_a_quota_that_may_not_be_read_is_a_warning_that_names_the_action(
    here: AccountWorld,
) -> None:
    here.refuse(GET_QUOTA)

    finding = only_finding(here)

    assert (finding.code, finding.severity) == ("QUOTA_UNREADABLE", "warning")
    assert "servicequotas:GetServiceQuota" in finding.where


def test_a_model_that_is_deleted_while_the_account_is_read_counts_no_more(
    here: AccountWorld,
) -> None:
    here.import_model("one")
    here.refuse(LIST_TAGS, "ResourceNotFoundException")

    assert read_models(here.clients.bedrock) == ()
