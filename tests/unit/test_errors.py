"""The sentences of the errors: what was found, where, and what a person can do about it."""

from __future__ import annotations

import inspect

import pytest

from model_import import errors
from model_import.errors import (
    RAISED_BY_STATE_MACHINE,
    TRANSIENT,
    ApprovalDeclinedError,
    AwsUnavailableError,
    CertificateUntrustedError,
    ChecksumMismatchError,
    HubAccessRefusedError,
    HubUnavailableError,
    InvalidInputError,
    ModelImportError,
    ModelNotImportableError,
    ModelNotReadyError,
    PermissionMissingError,
    PolicyInvalidError,
    RepositoryDisabledError,
    RepositoryFileNotFoundError,
    RepositoryGatedError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    SmokeTestFailedError,
    StagingMismatchError,
    StagingRefusedError,
    StagingUnavailableError,
    TransferInterruptedError,
)

REPO_ID = "acme/tiny-llama"
PAGE_URL = f"https://huggingface.co/{REPO_ID}"
MODEL_ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"
S3_URI = "s3://staging/models/acme/tiny-llama/5c4a6b8f/"
CAUSE_CHARACTERS_AT_MOST = 32_768

# Each error, what its sentence must name, and what it must tell a person to do.
SENTENCES: list[tuple[ModelImportError, str, str]] = [
    (
        HubAccessRefusedError(f"files of {REPO_ID!r}", 401, "Invalid", with_token=True),
        f"{REPO_ID!r}: HTTP 401 (Invalid)",
        "Check that the secret of HubTokenSecretArn contains a valid token",
    ),
    (
        HubAccessRefusedError(f"files of {REPO_ID!r}", 403, "Forbidden", with_token=False),
        f"{REPO_ID!r}: HTTP 403 (Forbidden)",
        "Check the page of the repository",
    ),
    (
        InvalidInputError("repo_id is None", "Give organisation/name"),
        "repo_id is None",
        "Give organisation/name",
    ),
    (
        RepositoryNotFoundError(REPO_ID, with_token=False),
        f"{REPO_ID!r} that is visible without a Hub token",
        "Check the spelling",
    ),
    (
        RepositoryNotFoundError(REPO_ID, with_token=True),
        f"{REPO_ID!r} that is visible with the configured Hub token",
        "Check the spelling",
    ),
    (
        RepositoryNotFoundError(REPO_ID, with_token=False, kind="dataset"),
        f"{REPO_ID!r} is a dataset",
        "Give the id of a model repository",
    ),
    (
        RepositoryDisabledError(REPO_ID, PAGE_URL),
        f"disabled repository {REPO_ID!r}",
        "Use another repository",
    ),
    (
        RepositoryGatedError(REPO_ID, PAGE_URL, with_token=False),
        REPO_ID,
        f"Request access on {PAGE_URL}, then set the stack parameter HubTokenSecretArn",
    ),
    (
        RepositoryGatedError(REPO_ID, PAGE_URL, with_token=True),
        REPO_ID,
        f"Request access on {PAGE_URL}, then start again",
    ),
    (
        RevisionNotFoundError(REPO_ID, "v9"),
        f"{REPO_ID!r} has no revision 'v9'",
        "Give a branch, a tag or a full commit hash",
    ),
    (
        RepositoryFileNotFoundError(REPO_ID, "5c4a6b8f", "config.json"),
        f"'config.json' is not in {REPO_ID!r} at commit 5c4a6b8f",
        "Start again",
    ),
    (
        ModelNotImportableError(f"{REPO_ID}: choose another model"),
        REPO_ID,
        "choose another model",
    ),
    (
        ApprovalDeclinedError(REPO_ID, "5c4a6b8f", "2026-11-24T12:00:00+00:00"),
        f"{REPO_ID!r} at commit 5c4a6b8f was declined at 2026-11-24T12:00:00+00:00",
        "start another execution and have it approved",
    ),
    (
        ChecksumMismatchError("model.safetensors", expected="sha256 aa", found="sha256 bb"),
        "'model.safetensors' arrived as sha256 bb, but the Hub announces sha256 aa",
        "Start again",
    ),
    (
        StagingMismatchError(S3_URI, ["config.json is missing"]),
        f"{S3_URI} differs from the manifest: config.json is missing",
        "Delete the objects under that prefix and start again",
    ),
    (
        SmokeTestFailedError(MODEL_ARN, "it gave an empty answer"),
        f"{MODEL_ARN} was imported, but it gave an empty answer",
        f"aws bedrock delete-imported-model --model-identifier {MODEL_ARN}",
    ),
    (
        HubUnavailableError(f"the file list of {REPO_ID!r}", "HTTP 500"),
        f"the file list of {REPO_ID!r}: HTTP 500",
        "This is retried. If it persists, check https://status.huggingface.co",
    ),
    (
        CertificateUntrustedError("hub.example", "self-signed certificate"),
        "The certificate of hub.example is not trusted: self-signed certificate",
        "set SSL_CERT_FILE to a bundle",
    ),
    (
        StagingRefusedError("staging", "AccessDenied", "Access Denied"),
        "'staging': AccessDenied (Access Denied)",
        "Undo manual changes to the bucket, its policy, its key or the role",
    ),
    (
        StagingUnavailableError("staging", "SlowDown"),
        "'staging': SlowDown",
        "This is retried. If it persists, check https://health.aws.amazon.com",
    ),
    (
        PermissionMissingError("bedrock:ListImportedModels", "User x is not authorized."),
        "IAM does not allow bedrock:ListImportedModels",
        "Allow the action for the role or user that called",
    ),
    (
        AwsUnavailableError("bedrock:ListImportedModels", "ThrottlingException (slow down)"),
        "AWS did not answer bedrock:ListImportedModels: ThrottlingException (slow down)",
        "This is retried",
    ),
    (
        PolicyInvalidError("data must contain ['watch'] properties"),
        "is not valid: data must contain ['watch'] properties",
        "Correct it with `model-import watch add`",
    ),
    (TransferInterruptedError("SIGTERM"), "stopped by SIGTERM", "This is retried"),
    (ModelNotReadyError(MODEL_ARN), MODEL_ARN, "This is retried"),
]


def test_every_class_of_error_is_examined_here() -> None:
    classes = {
        value
        for _, value in inspect.getmembers(errors, inspect.isclass)
        if value.__module__ == errors.__name__ and value is not ModelImportError
    }
    assert {type(error) for error, _, _ in SENTENCES} == classes


@pytest.mark.parametrize(
    ("error", "found", "remedy"),
    SENTENCES,
    ids=[f"{type(error).__name__}-{found[-20:]}" for error, found, _ in SENTENCES],
)
def test_an_error_says_what_was_found_and_what_to_do(
    error: ModelImportError, found: str, remedy: str
) -> None:
    sentence = str(error)
    assert found in sentence
    assert remedy in sentence
    assert "  " not in sentence


def test_every_name_ends_in_error_and_is_a_direct_child_of_the_base() -> None:
    for error, _, _ in SENTENCES:
        assert type(error).__name__.endswith("Error")
        assert type(error).__bases__ == (ModelImportError,)
    assert all(name.endswith("Error") for name in RAISED_BY_STATE_MACHINE)
    assert not any(hasattr(errors, name) for name in RAISED_BY_STATE_MACHINE)


def test_exactly_the_errors_that_say_so_are_retried() -> None:
    saying_so = {type(error) for error, _, _ in SENTENCES if "This is retried" in str(error)}
    assert set(TRANSIENT) == saying_so


def test_a_staging_with_many_differences_still_fits_a_cause() -> None:
    differences = [f"{'x' * 200} {number} is missing" for number in range(1_000)]
    sentence = str(StagingMismatchError(S3_URI, differences))
    assert differences[0] in sentence
    assert "and 950 more" in sentence
    assert len(sentence) < CAUSE_CHARACTERS_AT_MOST
