"""Every path of the state machine, walked with the real functions behind its Task states."""

from __future__ import annotations

import json

import pytest
from support.worlds.workflow_world import (
    ANSWER,
    CREATE_JOB,
    GET_JOB,
    GET_MODEL,
    INVOKE,
    LIST_MODELS,
    PUT_EVENTS,
    REPO_ID,
    RUN_TASK,
    World,
    bedrock_settings,
    repository_files,
)

from model_import.request.naming import model_name
from model_import.request.wanted_import import WantedImport
from model_import_cli.folder_hub.faults import Fault as HubFault

HAPPY = [
    "Validate Repository",
    "Importable?",
    "Publish Start",
    "Approval Needed?",
    "Prepare Repository",
    "Claim Import",
    "Already Imported?",
    "Transfer Weights",
    "Transfer Slice",
    "Verify Transfer",
    "Start Import",
    "Wait for Import",
    "Get Import Job",
    "Import Finished?",
    "Wait for Import",
    "Get Import Job",
    "Import Finished?",
    "Describe Model",
    "Smoke Test",
    "Publish Success",
    "Model Imported",
]
FAILURE = ["Record Failure", "Publish Failure", "Import Failed"]


def function(here: World, name: str) -> str:
    """Return the operation that invokes a function."""
    stack_functions = here.aws.stack.functions.values()
    return f"{INVOKE}{next(f.arn for f in stack_functions if name in f.name)}"


def jobs_of(here: World) -> int:
    bedrock = here.aws.account.client("bedrock")
    return len(bedrock.list_model_import_jobs()["modelImportJobSummaries"])


def test_a_healthy_repository_becomes_a_model_that_answers(here: World) -> None:
    outcome = here.run(expect=ANSWER, tags={"team": "nlp"})

    assert (outcome.status, outcome.error, outcome.cause) == ("SUCCEEDED", None, None)
    assert outcome.states == HAPPY
    assert outcome.answer == ANSWER
    started, event = here.events()
    assert started["detail-type"] == "Model Import Started"
    assert started["detail"]["model_name"] == outcome.model_name
    assert event["detail-type"] == "Model Import Succeeded"
    assert event["detail"]["model_arn"] == outcome.model_arn
    assert event["detail"]["manifest_uri"] == outcome.manifest


def test_the_tags_of_stack_and_execution_reach_the_job_the_model_and_the_staged_objects(
    here: World,
) -> None:
    outcome = here.run(tags={"team": "nlp"})
    bedrock = here.aws.account.client("bedrock")
    (job,) = bedrock.list_model_import_jobs()["modelImportJobSummaries"]
    s3 = here.aws.account.client("s3")
    bucket = here.aws.stack.outputs["StagingBucketName"]
    staged = s3.list_objects_v2(Bucket=bucket, Prefix="models/")["Contents"]
    of_bedrock = [
        {
            tag["key"]: tag["value"]
            for tag in bedrock.list_tags_for_resource(resourceARN=arn)["tags"]
        }
        for arn in (outcome.model_arn, job["jobArn"])
    ]
    of_objects = [
        {
            tag["Key"]: tag["Value"]
            for tag in s3.get_object_tagging(Bucket=bucket, Key=entry["Key"])["TagSet"]
        }
        for entry in staged
    ]

    assert len(staged) > 1
    for tags in of_bedrock + of_objects:
        assert (
            tags.items()
            >= {
                "cost-centre": "42",
                "team": "nlp",
                "model-import-stack": "model-import",
                "huggingface-repository": REPO_ID,
            }.items()
        )


def test_a_refused_repository_ends_with_every_finding_before_anything_is_staged(
    here: World,
) -> None:
    config = here.directory / REPO_ID / "config.json"
    healthy = config.read_bytes()
    config.write_text(json.dumps(json.loads(healthy) | {"model_type": "bert", "dtype": "int8"}))
    try:
        outcome = here.run()
    finally:
        config.write_bytes(healthy)

    assert outcome.error == "ModelNotImportableError"
    assert outcome.states == [*HAPPY[:2], *FAILURE]
    assert "ARCH_UNSUPPORTED" in str(outcome.cause)
    assert "DTYPE_UNSUPPORTED" in str(outcome.cause)
    assert {finding["code"] for finding in outcome.findings} == {
        "ARCH_UNSUPPORTED",
        "DTYPE_UNSUPPORTED",
    }
    (event,) = here.events()
    assert event["detail-type"] == "Model Import Failed"
    assert event["detail"]["error"] == "ModelNotImportableError"
    assert event["detail"]["cause"] == outcome.cause


@pytest.mark.parametrize(
    ("repo_id", "error", "words"),
    [
        ("acme/quantised", "ModelNotImportableError", "QUANTISED (config.json"),
        ("acme/bert", "ModelNotImportableError", "ARCH_UNSUPPORTED"),
        ("acme/shallow", "ModelNotImportableError", "TENSOR_MISSING"),
        (
            "acme/truncated",
            "ModelNotImportableError",
            "is 1000 bytes shorter than its header states",
        ),
        ("acme/pickled", "ModelNotImportableError", "WEIGHTS_NOT_SAFETENSORS"),
        ("acme/gated", "RepositoryGatedError", "Request access on http"),
        ("acme/missing", "RepositoryNotFoundError", "Check the spelling"),
    ],
)
def test_what_bedrock_would_refuse_is_refused_before_a_weight_moves(
    here: World, repo_id: str, error: str, words: str
) -> None:
    outcome = here.run(repo_id=repo_id)

    assert outcome.error == error
    assert words in str(outcome.cause)
    assert outcome.states[-3:] == FAILURE
    assert here.tasks.runs == 0
    shards = [request for request in here.hub.requests if "safetensors" in request.path]
    headers_bytes = sum(request.body_bytes for request in shards if request.role == "cdn")
    assert headers_bytes < 20_000


@pytest.mark.parametrize(
    ("execution_input", "error", "word"),
    [
        ({"repo_id": "acme/missing"}, "RepositoryNotFoundError", "acme/missing"),
        ({"revision": "v9"}, "RevisionNotFoundError", "v9"),
        ({"colour": "red"}, "InvalidInputError", "colour"),
        ({"repo_id": 7}, "InvalidInputError", "repo_id"),
    ],
)
def test_what_validate_repository_raises_ends_the_execution_by_name(
    here: World, execution_input: dict[str, object], error: str, word: str
) -> None:
    outcome = here.run(**execution_input)

    assert outcome.error == error
    assert word in str(outcome.cause)
    assert not str(outcome.cause).startswith("{")
    assert outcome.states == ["Validate Repository", *FAILURE]


def test_validate_repository_is_retried_when_the_hub_is_unavailable(here: World) -> None:
    here.hub.faults.add(HubFault("status", match="/api/models/", status=500, times=2))

    assert here.run().states == HAPPY


def test_prepare_repository_is_retried_when_the_hub_is_unavailable(here: World) -> None:
    here.hub.faults.add(HubFault("status", match="/api/models/", status=503, times=1, skip=1))

    assert here.run().states == HAPPY


def test_a_hub_that_stays_away_ends_the_execution_by_name(here: World) -> None:
    fault = HubFault("status", match="/api/models/", status=500, times=6)
    here.hub.faults.add(fault)

    outcome = here.run()

    assert outcome.error == "HubUnavailableError"
    assert outcome.states == ["Validate Repository", *FAILURE]


@pytest.mark.parametrize(
    "name",
    [
        "ValidateRepositoryFunction",
        "PrepareRepositoryFunction",
        "ClaimImportFunction",
        "VerifyTransferFunction",
        "SmokeTestFunction",
    ],
)
def test_a_function_that_lambda_throttles_is_invoked_again(here: World, name: str) -> None:
    here.fail(function(here, name), "TooManyRequestsException", times=2)
    here.fail(function(here, name), "ServiceException")

    assert here.run().states == HAPPY


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("PrepareRepositoryFunction", "Prepare Repository"),
        ("ClaimImportFunction", "Claim Import"),
        ("VerifyTransferFunction", "Verify Transfer"),
        ("SmokeTestFunction", "Smoke Test"),
    ],
)
def test_a_function_that_cannot_be_invoked_ends_the_execution(
    here: World, name: str, state: str
) -> None:
    here.fail(function(here, name), "AccessDeniedException")

    outcome = here.run()

    assert outcome.error == "Lambda.AccessDeniedException"
    assert outcome.states[-4:] == [state, *FAILURE]


def test_a_flipped_byte_fails_once_and_for_good_with_nothing_stored(here: World) -> None:
    shard = "model-00001-of-00003.safetensors"
    flip = HubFault("flip_byte", match=shard, offset=100_000, times=None)
    here.hub.faults.add(flip)

    outcome = here.run()

    assert outcome.error == "ChecksumMismatchError"
    assert shard in str(outcome.cause)
    assert here.tasks.runs == 1
    assert jobs_of(here) == 0
    s3, bucket = here.aws.account.client("s3"), here.aws.stack.outputs["StagingBucketName"]
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert not [key for key in keys if key.endswith(shard)]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize(
    "error",
    [
        "ChecksumMismatchError",
        "HubAccessRefusedError",
        "RepositoryDisabledError",
        "RepositoryGatedError",
        "RepositoryNotFoundError",
        "RevisionNotFoundError",
        "RepositoryFileNotFoundError",
    ],
)
def test_a_permanent_error_of_a_transfer_task_is_tried_once(here: World, error: str) -> None:
    here.tasks.ends = [error]

    outcome = here.run()

    assert (outcome.error, outcome.cause) == (error, "made to fail")
    assert here.tasks.runs == 1


@pytest.mark.parametrize("end", ["HubUnavailableError", "TransferInterruptedError", 137])
def test_a_transfer_task_that_may_do_better_runs_again(here: World, end: str | int) -> None:
    here.tasks.ends = [end]

    assert here.run().status == "SUCCEEDED"
    assert here.tasks.runs == 2


def test_a_task_that_ends_without_a_word_says_where_its_words_are(here: World) -> None:
    here.tasks.ends = [137] * 6

    outcome = here.run()

    assert outcome.error == "TaskFailed"
    assert "TransferLogGroup" in str(outcome.cause)
    assert here.tasks.runs == 6


def test_a_task_that_ecs_throttles_is_started_again(here: World) -> None:
    here.fail(RUN_TASK, "ThrottlingException")

    assert here.run().status == "SUCCEEDED"


def test_what_differs_from_the_manifest_is_not_imported(here: World) -> None:
    s3, bucket = here.aws.account.client("s3"), here.aws.stack.outputs["StagingBucketName"]

    def add_a_stray() -> None:
        prefix = s3.list_objects_v2(Bucket=bucket, Prefix="models/")["Contents"][0]["Key"]
        s3.put_object(Bucket=bucket, Key=prefix.rpartition("/")[0] + "/stray.bin", Body=b"")

    here.before[function(here, "VerifyTransferFunction")] = add_a_stray

    outcome = here.run()

    assert outcome.error == "StagingMismatchError"
    assert "stray.bin" in str(outcome.cause)
    assert outcome.states[-4:] == ["Verify Transfer", *FAILURE]
    assert jobs_of(here) == 0


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerException"])
def test_a_passing_fault_of_bedrock_starts_one_job(here: World, code: str) -> None:
    here.fail(CREATE_JOB, code, times=2)

    assert here.run().states == HAPPY
    assert jobs_of(here) == 1


def test_the_import_slot_is_waited_for(here: World) -> None:
    message = "Concurrent model import jobs: the limit is 1. Request a quota increase."
    here.fail(CREATE_JOB, "ServiceQuotaExceededException", message, times=30)

    outcome = here.run()

    assert outcome.status == "SUCCEEDED"
    assert outcome.states.count("Wait for Import Slot") == 30


def test_the_model_quota_is_not_waited_for(here: World) -> None:
    message = "Imported models per account: the limit is 3."
    here.fail(CREATE_JOB, "ServiceQuotaExceededException", message)

    outcome = here.run()

    assert outcome.error == "Bedrock.ServiceQuotaExceededException"
    assert message in str(outcome.cause)
    assert outcome.states[-5:] == ["Start Import", "Worth Waiting?", *FAILURE]


def test_a_role_that_is_not_known_everywhere_yet_is_waited_for(here: World) -> None:
    here.aws.start_bedrock(bedrock_settings(polls=1, role_not_ready_times=3))

    outcome = here.run()

    assert outcome.status == "SUCCEEDED"
    assert outcome.states.count("Wait for Role") == 3


def test_another_refusal_of_bedrock_ends_the_execution_in_its_own_words(here: World) -> None:
    here.fail(CREATE_JOB, "ValidationException", "this will never do")

    outcome = here.run()

    assert outcome.error == "Bedrock.ValidationException"
    assert "this will never do" in str(outcome.cause)


def test_a_start_that_is_forbidden_ends_the_execution(here: World) -> None:
    here.fail(CREATE_JOB, "AccessDeniedException")

    outcome = here.run()

    assert outcome.error == "Bedrock.AccessDeniedException"
    assert outcome.states[-4:] == ["Start Import", *FAILURE]


def test_a_job_that_this_execution_has_started_already_is_joined(here: World) -> None:
    """The answer of the first call was lost; the second finds the name taken, by its own job."""
    bedrock = here.aws.account.client("bedrock")
    bucket = here.aws.stack.outputs["StagingBucketName"]
    role = here.aws.stack.outputs["ModelImportRoleArn"]

    def start_the_job_and_lose_the_answer() -> None:
        here.before.clear()
        s3 = here.aws.account.client("s3")
        key = s3.list_objects_v2(Bucket=bucket, Prefix="models/")["Contents"][0]["Key"]
        wanted = wanted_of(key)
        bedrock.create_model_import_job(
            jobName=wanted.job_name(1),
            importedModelName=wanted.model_name,
            roleArn=role,
            modelDataSource={"s3DataSource": {"s3Uri": f"s3://{bucket}/{key.rpartition('/')[0]}/"}},
        )

    here.before[CREATE_JOB] = start_the_job_and_lose_the_answer
    here.fail(CREATE_JOB, "InternalServerException")
    here.fail(CREATE_JOB, "InternalServerException")

    outcome = here.run()

    assert outcome.status == "SUCCEEDED", outcome.cause
    assert "Join Import Job" in outcome.states
    assert jobs_of(here) == 1


def wanted_of(key: str) -> WantedImport:
    _, organisation, name, commit, _ = key.split("/")
    repo_id = f"{organisation}/{name}"
    return WantedImport(
        repo_id, commit, normalise=True, model_name=model_name(repo_id, commit), name_given=False
    )


def import_elsewhere(here: World, name: str) -> str:
    """Import a model that is nothing of this project's, and return its ARN."""
    s3, bedrock = here.aws.account.client("s3"), here.aws.account.client("bedrock")
    bucket = here.aws.stack.outputs["StagingBucketName"]
    for path, content in repository_files().items():
        s3.put_object(Bucket=bucket, Key=f"elsewhere/{path}", Body=content)
    bedrock.create_model_import_job(
        jobName=f"elsewhere-{name}",
        importedModelName=name,
        roleArn=here.aws.stack.outputs["ModelImportRoleArn"],
        modelDataSource={"s3DataSource": {"s3Uri": f"s3://{bucket}/elsewhere/"}},
    )
    job: dict[str, str] = {"status": "InProgress"}
    while job["status"] == "InProgress":
        job = bedrock.get_model_import_job(jobIdentifier=f"elsewhere-{name}")
    return job["importedModelArn"]


def test_a_full_quota_of_models_refuses_before_anything_is_moved_and_names_them(
    here: World,
) -> None:
    for name in ("one", "two", "three"):
        import_elsewhere(here, name)

    outcome = here.run()

    assert outcome.error == "ModelNotImportableError"
    assert outcome.states == [*HAPPY[:2], *FAILURE]
    assert "3 of 3 slots are taken, by one, three, two" in str(outcome.cause)
    assert here.tasks.runs == 0


def test_a_name_that_somebody_else_has_refuses_before_anything_is_moved(here: World) -> None:
    arn = import_elsewhere(here, "mine")

    outcome = here.run(model_name="mine")

    assert outcome.error == "ModelNotImportableError"
    assert "MODEL_NAME_TAKEN" in str(outcome.cause)
    assert arn in str(outcome.cause)
    assert here.tasks.runs == 0


def test_a_name_that_somebody_takes_while_the_weights_are_moved_is_theirs(here: World) -> None:
    def take_the_name() -> None:
        here.before.clear()
        s3, bucket = here.aws.account.client("s3"), here.aws.stack.outputs["StagingBucketName"]
        key = s3.list_objects_v2(Bucket=bucket, Prefix="models/")["Contents"][0]["Key"]
        import_elsewhere(here, wanted_of(key).model_name)

    here.before[CREATE_JOB] = take_the_name

    outcome = here.run()

    assert outcome.error == "ModelNameTakenError"
    assert str(outcome.model_name) in str(outcome.cause)
    assert outcome.states[-6:] == ["Start Import", "Worth Waiting?", "Join Import Job", *FAILURE]
    assert jobs_of(here) == 1


def test_an_account_that_may_not_be_read_is_refused_with_the_action_that_is_missing(
    here: World,
) -> None:
    here.fail(LIST_MODELS, "AccessDeniedException")

    outcome = here.run()

    assert outcome.error == "ModelNotImportableError"
    assert "Allow bedrock:ListImportedModels for" in str(outcome.cause)
    assert jobs_of(here) == here.tasks.runs == 0


def test_an_account_that_does_not_answer_is_asked_again_and_never_taken_for_empty(
    here: World,
) -> None:
    here.fail(LIST_MODELS, "ThrottlingException", times=1000)

    outcome = here.run()

    assert outcome.error == "AwsUnavailableError"
    assert outcome.states == ["Validate Repository", *FAILURE]
    assert jobs_of(here) == here.tasks.runs == 0


def test_the_forecast_comes_with_the_output_and_with_the_event(here: World) -> None:
    output = here.run_for_output()

    assert output["forecast"]["usd_per_active_hour"]["unit"].startswith("USD")
    forecasts = [event["detail"]["forecast"] for event in here.events()]
    assert forecasts == [output["forecast"]] * 2


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerException"])
def test_a_passing_fault_while_polling_or_describing_is_ridden_out(here: World, code: str) -> None:
    here.fail(GET_JOB, code, times=3)
    here.fail(GET_MODEL, code, times=3)

    assert here.run().states == HAPPY


@pytest.mark.parametrize(
    ("operation", "state"), [(GET_JOB, "Get Import Job"), (GET_MODEL, "Describe Model")]
)
def test_what_polling_or_describing_may_not_do_ends_the_execution(
    here: World, operation: str, state: str
) -> None:
    here.fail(operation, "AccessDeniedException")

    outcome = here.run()

    assert outcome.error == "Bedrock.AccessDeniedException"
    assert outcome.states[-4:] == [state, *FAILURE]
    assert here.calls[operation] == 1


def test_a_fault_while_joining_is_ridden_out_and_a_refusal_is_not(here: World) -> None:
    here.fail(CREATE_JOB, "ConflictException", times=2)
    here.fail(GET_JOB, "ThrottlingException")
    here.fail(GET_JOB, "AccessDeniedException")

    outcome = here.run()

    assert outcome.error == "Bedrock.AccessDeniedException"
    assert outcome.states[-4:] == ["Join Import Job", *FAILURE]


def test_a_job_that_fails_ends_the_execution_in_bedrocks_words(here: World) -> None:
    s3, bucket = here.aws.account.client("s3"), here.aws.stack.outputs["StagingBucketName"]

    def damage_the_copy() -> None:
        key = s3.list_objects_v2(Bucket=bucket, Prefix="models/")["Contents"][0]["Key"]
        config = key.rpartition("/")[0] + "/config.json"
        s3.put_object(Bucket=bucket, Key=config, Body=b'{"model_type": "bert"}')

    here.before[CREATE_JOB] = damage_the_copy

    outcome = here.run()

    assert outcome.error == "ImportJobFailedError"
    assert "does not support the architecture (bert)" in str(outcome.cause)
    assert outcome.states[-4:] == ["Import Finished?", *FAILURE]


def test_a_cold_start_is_ridden_out(here: World) -> None:
    here.aws.start_bedrock(bedrock_settings(polls=1, cold_starts=20))

    assert here.run().status == "SUCCEEDED"


def test_a_model_that_never_gets_ready_ends_the_execution_by_name(here: World) -> None:
    here.aws.start_bedrock(bedrock_settings(polls=1, cold_starts=1000))

    outcome = here.run()

    assert outcome.error == "ModelNotReadyError"
    assert outcome.states[-4:] == ["Smoke Test", *FAILURE]


def test_an_answer_that_is_not_expected_fails_with_the_model_named(here: World) -> None:
    outcome = here.run(expect="トランペット")

    assert outcome.error == "SmokeTestFailedError"
    assert "トランペット" in str(outcome.cause)
    _, event = here.events()
    assert event["detail"]["model_arn"].startswith("arn:aws:bedrock:")
    assert event["detail"]["model_arn"] in str(outcome.cause)


def test_publishing_is_tried_again(here: World) -> None:
    here.fail(PUT_EVENTS, "InternalException", times=3)

    assert here.run().states == HAPPY


def test_a_beginning_that_cannot_be_published_stops_no_import(here: World) -> None:
    here.fail(PUT_EVENTS, "InternalException", times=7)

    outcome = here.run()

    assert (outcome.status, outcome.states) == ("SUCCEEDED", HAPPY)
    assert [event["detail-type"] for event in here.events()] == ["Model Import Succeeded"]


def test_a_success_that_cannot_be_published_is_no_success(here: World) -> None:
    here.before[GET_MODEL] = lambda: here.fail(PUT_EVENTS, "InternalException", times=7)

    outcome = here.run()

    assert outcome.status == "FAILED"
    assert outcome.states[-4:] == ["Publish Success", *FAILURE]


def test_an_execution_keeps_its_own_error_when_the_failure_cannot_be_published(
    here: World,
) -> None:
    here.fail(PUT_EVENTS, "InternalException", times=7)

    outcome = here.run(revision="v9")

    assert outcome.error == "RevisionNotFoundError"
    assert outcome.states == ["Validate Repository", *FAILURE]
