"""Every error that the state machine may see, by name.

Step Functions matches an error by the literal name of its class: no inheritance, no module. The
names here are therefore a contract with statemachine/model_import.asl.yaml, and a test holds the
two equal.
Each class takes facts and writes the sentence: what was found, what is accepted, what to do.
"""

from __future__ import annotations

from typing import Final

_DIFFERENCES_SHOWN: Final = 50


class ModelImportError(Exception):
    """Base of all errors with a name of their own; never raised itself."""


class InvalidInputError(ModelImportError):
    """The input of the execution has a field that is unknown, missing or malformed."""

    def __init__(self, found: str, accepted: str) -> None:
        super().__init__(f"{found}. {accepted}")


class RepositoryNotFoundError(ModelImportError):
    """The Hub knows no such model repository, or hides it from this token."""

    def __init__(self, repo_id: str, *, with_token: bool, kind: str | None = None) -> None:
        who = "with the configured Hub token" if with_token else "without a Hub token"
        if kind is not None:
            super().__init__(
                f"{repo_id!r} is a {kind} on the Hub, and models are imported. Give the repository "
                "of a model: organisation/name."
            )
            return
        super().__init__(
            f"The Hub shows no model repository {repo_id!r} {who}: it does not exist, or it is "
            "private. Check the spelling (organisation/name); for a private repository deploy the "
            "stack with HubTokenSecretArn, the secret of a token that may read it."
        )


class RepositoryGatedError(ModelImportError):
    """The Hub shows the repository but does not hand out its files."""

    def __init__(self, repo_id: str, page_url: str, *, with_token: bool) -> None:
        remedy = (
            "the account of the configured Hub token has not been granted access: request it on"
            if with_token
            else "no Hub token is configured: have access granted on"
        )
        then = (
            "and start again."
            if with_token
            else "and deploy the stack with HubTokenSecretArn, the secret of that account's token."
        )
        super().__init__(f"Repository {repo_id!r} is gated, and {remedy} {page_url} {then}")


class RepositoryDisabledError(ModelImportError):
    """The Hub has the repository and hands out nothing of it to anybody."""

    def __init__(self, repo_id: str, page_url: str) -> None:
        super().__init__(
            f"The Hub has disabled repository {repo_id!r}, and hands out none of its files. "
            f"{page_url} may say why; give another repository."
        )


class HubAccessRefusedError(ModelImportError):
    """The Hub refuses for a reason that is neither a gate nor a missing repository."""

    def __init__(self, what: str, status: int, reason: str, *, with_token: bool) -> None:
        remedy = (
            "Check that the secret of HubTokenSecretArn holds a token that is valid and may read it"
            if with_token
            else "Look at the repository's page: it may need a token"
        )
        super().__init__(f"The Hub refuses {what}: HTTP {status} ({reason}). {remedy}.")


class RevisionNotFoundError(ModelImportError):
    """The repository has no such branch, tag or commit."""

    def __init__(self, repo_id: str, revision: str) -> None:
        super().__init__(
            f"Repository {repo_id!r} has no revision {revision!r}. "
            "Give a branch, a tag or a full commit hash of the repository, or leave it out for "
            "'main'."
        )


class RepositoryFileNotFoundError(ModelImportError):
    """A file that was planned is no longer at the commit."""

    def __init__(self, repo_id: str, commit: str, path: str) -> None:
        super().__init__(
            f"{path!r} is not in {repo_id!r} at commit {commit}, though the Hub listed it. "
            "The repository's history was rewritten: start again to plan from the present commit."
        )


class ModelNotImportableError(ModelImportError):
    """The repository has findings of severity error; the message lists every one of them."""


class ApprovalDeclinedError(ModelImportError):
    """A person has decided against the import."""

    def __init__(self, repo_id: str, commit: str, at: str) -> None:
        super().__init__(
            f"The import of {repo_id!r} at commit {commit} was declined at {at}, by the link in "
            "the message to the announcement topic. Nothing was moved or imported. Ask who the "
            "approvers are; to have it after all, start an execution and have that one approved."
        )


class ChecksumMismatchError(ModelImportError):
    """The bytes that arrived are not the bytes that the Hub announced."""

    def __init__(self, path: str, *, expected: str, found: str) -> None:
        super().__init__(
            f"{path!r} arrived as {found}, and the Hub announces {expected}. Nothing was stored "
            "under its key. Start again; if it repeats, the file at the Hub (or at the mirror) is "
            "damaged: tell its owner."
        )


class StagingMismatchError(ModelImportError):
    """What lies in the staging bucket is not what the manifest says; a cause has room for some."""

    def __init__(self, s3_uri: str, differences: list[str]) -> None:
        more = len(differences) - _DIFFERENCES_SHOWN
        shown = differences[:_DIFFERENCES_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        super().__init__(
            f"{s3_uri} differs from the manifest: {'; '.join(shown)}. Nothing was imported. "
            "Delete what is under that prefix and start again; nothing else may write there."
        )


class SmokeTestFailedError(ModelImportError):
    """The imported model answers wrongly; it stays in the account, and its storage is billed."""

    def __init__(self, model_arn: str, found: str) -> None:
        super().__init__(
            f"{model_arn} was imported, but {found}. It stays in the account for you to look at, "
            "and its storage is billed until you delete it: "
            f"aws bedrock delete-imported-model --model-identifier {model_arn}"
        )


class HubUnavailableError(ModelImportError):
    """The Hub did not answer, or answered that it cannot now; trying again is the remedy."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"The Hub did not serve {what}: {why}. This is retried; if it lasts, see "
            "https://status.huggingface.co, or the mirror that HubEndpoint names."
        )


class CertificateUntrustedError(ModelImportError):
    """Whoever answers in the name of a host does not prove to be it; nothing was sent to it."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(
            f"The certificate of {host or 'the host'} is not trusted: {why}. Accepted is one of an "
            "authority that the operating system knows. Where a proxy or a mirror has an authority "
            "of its own, let SSL_CERT_FILE name a bundle with it in (for S3, AWS_CA_BUNDLE)."
        )


class StagingRefusedError(ModelImportError):
    """S3 refuses a request to the staging bucket, and will refuse it again."""

    def __init__(self, bucket: str, code: str, reason: str) -> None:
        super().__init__(
            f"S3 refuses to work on the staging bucket {bucket!r}: {code} ({reason}). It must be "
            "the bucket of this stack, in this account, open to the role of the transfer task: "
            "undo what was changed by hand on the bucket, its policy, its key or the role, or "
            "deploy the stack again."
        )


class StagingUnavailableError(ModelImportError):
    """S3 did not answer, or answered that it cannot now; trying again is the remedy."""

    def __init__(self, bucket: str, why: str) -> None:
        super().__init__(
            f"S3 did not serve the staging bucket {bucket!r}: {why}. This is retried; if it lasts, "
            "see https://health.aws.amazon.com, and whether the subnets have a way to S3."
        )


class PermissionMissingError(ModelImportError):
    """IAM refuses a call without which the import cannot go on safely."""

    def __init__(self, action: str, reason: str) -> None:
        super().__init__(
            f"IAM does not allow {action} here, and without it the import cannot go on safely. "
            f"Allow it to the role or user that calls, and start again. AWS says: {reason}"
        )
        self.action = action


class AwsUnavailableError(ModelImportError):
    """An AWS service did not answer, or answered with a fault of its own."""

    def __init__(self, action: str, why: str) -> None:
        super().__init__(f"AWS did not answer {action}: {why}. This is retried.")


class PolicyInvalidError(ModelImportError):
    """The release policy cannot be read; nothing is imported under a policy that is in doubt."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The release policy is not valid: {found}. It is JSON as "
            "functions/model_import/release/policy.schema.json says. Nothing was imported: mend it "
            "with `model-import watch add`, or in the SSM parameter that the stack's output "
            "ReleasePolicyName names, and start again."
        )


class TransferInterruptedError(ModelImportError):
    """The transfer task was told to stop before it was done."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(
            f"The transfer task was stopped by {signal_name} before its slice was complete. "
            "This is retried: files and parts that are stored are not moved again."
        )


class ModelNotReadyError(ModelImportError):
    """Bedrock has not loaded the imported model yet (cold start)."""

    def __init__(self, model_arn: str) -> None:
        super().__init__(
            f"{model_arn} is not ready to serve yet. This is retried for as long as a cold start "
            "may take."
        )


TRANSIENT: Final = (
    AwsUnavailableError,
    HubUnavailableError,
    StagingUnavailableError,
    TransferInterruptedError,
    ModelNotReadyError,
)
"""Retried by the state machine; every other class above is tried once."""

RAISED_BY_STATE_MACHINE: Final = (
    "ApprovalTimedOutError",
    "ImportJobFailedError",
    "ImportSlotUnavailableError",
    "ImportTimedOutError",
    "ModelNameTakenError",
)
"""Names that the state machine itself ends with, since no code runs where they are found."""
