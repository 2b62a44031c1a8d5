"""Every error that the state machine may see, by name.

Step Functions matches an error by the literal name of its class, without inheritance and without a
module. So these names are a contract with statemachine/model_import.asl.yaml; a test compares the
two. Each class takes facts and writes the message: what was found, what is accepted, what to do.
"""

from __future__ import annotations

from typing import Final

_DIFFERENCES_SHOWN: Final = 50


class ModelImportError(Exception):
    """Base of all named errors; never raised itself."""


class InvalidInputError(ModelImportError):
    """A field of the input is unknown, missing or malformed."""

    def __init__(self, found: str, accepted: str) -> None:
        super().__init__(f"{found}. {accepted}")


class RepositoryNotFoundError(ModelImportError):
    """The Hub has no such model repository, or hides it from this token."""

    def __init__(self, repo_id: str, *, with_token: bool, kind: str | None = None) -> None:
        who = "with the configured Hub token" if with_token else "without a Hub token"
        if kind is not None:
            super().__init__(
                f"{repo_id!r} is a {kind} on the Hub. Only models can be imported. Give the id of "
                "a model repository: organisation/name."
            )
            return
        super().__init__(
            f"The Hub has no model repository {repo_id!r} that is visible {who}: it does not "
            "exist, or it is private. Check the spelling (organisation/name). For a private "
            "repository, set the stack parameter HubTokenSecretArn to the secret of a token that "
            "can read it."
        )


class RepositoryGatedError(ModelImportError):
    """The repository is gated: the Hub shows it but does not serve its files."""

    def __init__(self, repo_id: str, page_url: str, *, with_token: bool) -> None:
        remedy = (
            "the account of the configured Hub token has no access. Request access on"
            if with_token
            else "no Hub token is configured. Request access on"
        )
        then = (
            ", then start again."
            if with_token
            else ", then set the stack parameter HubTokenSecretArn to the secret of that account's "
            "token."
        )
        super().__init__(f"Repository {repo_id!r} is gated, and {remedy} {page_url}{then}")


class RepositoryDisabledError(ModelImportError):
    """The Hub has disabled the repository and serves none of its files."""

    def __init__(self, repo_id: str, page_url: str) -> None:
        super().__init__(
            f"The Hub has disabled repository {repo_id!r} and serves none of its files. "
            f"{page_url} may say why. Use another repository."
        )


class HubAccessRefusedError(ModelImportError):
    """The Hub refuses for a reason other than a gate or a missing repository."""

    def __init__(self, what: str, status: int, reason: str, *, with_token: bool) -> None:
        remedy = (
            "Check that the secret of HubTokenSecretArn contains a valid token with read access"
            if with_token
            else "Check the page of the repository: it may require a token"
        )
        super().__init__(f"The Hub refuses {what}: HTTP {status} ({reason}). {remedy}.")


class RevisionNotFoundError(ModelImportError):
    """The repository has no such branch, tag or commit."""

    def __init__(self, repo_id: str, revision: str) -> None:
        super().__init__(
            f"Repository {repo_id!r} has no revision {revision!r}. "
            "Give a branch, a tag or a full commit hash of the repository, or omit revision to use "
            "'main'."
        )


class RepositoryFileNotFoundError(ModelImportError):
    """A planned file is no longer in the commit."""

    def __init__(self, repo_id: str, commit: str, path: str) -> None:
        super().__init__(
            f"{path!r} is not in {repo_id!r} at commit {commit}, although the Hub listed it. The "
            "history of the repository was rewritten. Start again to import the current commit."
        )


class ModelNotImportableError(ModelImportError):
    """The repository has findings of severity error; the message lists every one of them."""


class ApprovalDeclinedError(ModelImportError):
    """A person declined the import."""

    def __init__(self, repo_id: str, commit: str, at: str) -> None:
        super().__init__(
            f"The import of {repo_id!r} at commit {commit} was declined at {at}, by the link in "
            "the message to the announcement topic. Nothing was transferred or imported. To import "
            "it, talk to the approvers, then start another execution and have it approved."
        )


class ChecksumMismatchError(ModelImportError):
    """The received bytes differ from those that the Hub announces."""

    def __init__(self, path: str, *, expected: str, found: str) -> None:
        super().__init__(
            f"{path!r} arrived as {found}, but the Hub announces {expected}. The file was not "
            "stored under its key. Start again. If this repeats, the file on the Hub (or on the "
            "mirror) is damaged: tell its owner."
        )


class StagingMismatchError(ModelImportError):
    """The staging bucket differs from the manifest; the message shows the first differences."""

    def __init__(self, s3_uri: str, differences: list[str]) -> None:
        more = len(differences) - _DIFFERENCES_SHOWN
        shown = differences[:_DIFFERENCES_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        super().__init__(
            f"{s3_uri} differs from the manifest: {'; '.join(shown)}. Nothing was imported. "
            "Delete the objects under that prefix and start again. Nothing else may write there."
        )


class SmokeTestFailedError(ModelImportError):
    """The imported model answers wrongly; it remains in the account, and its storage is billed."""

    def __init__(self, model_arn: str, found: str) -> None:
        super().__init__(
            f"{model_arn} was imported, but {found}. The model remains in the account for "
            "inspection, and its storage is billed until you delete it: "
            f"aws bedrock delete-imported-model --model-identifier {model_arn}"
        )


class HubUnavailableError(ModelImportError):
    """The Hub did not answer, or answered with a temporary failure; a retry may help."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"The Hub did not serve {what}: {why}. This is retried. If it persists, check "
            "https://status.huggingface.co, or the mirror in the stack parameter HubEndpoint."
        )


class CertificateUntrustedError(ModelImportError):
    """The certificate of a host is not trusted; nothing was sent to it."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(
            f"The certificate of {host or 'the host'} is not trusted: {why}. It must be issued by "
            "an authority that the operating system trusts. If a proxy or a mirror has its own "
            "authority, set SSL_CERT_FILE to a bundle that contains it (for S3, AWS_CA_BUNDLE)."
        )


class StagingRefusedError(ModelImportError):
    """S3 refuses a request to the staging bucket permanently."""

    def __init__(self, bucket: str, code: str, reason: str) -> None:
        super().__init__(
            f"S3 refuses access to the staging bucket {bucket!r}: {code} ({reason}). It must be "
            "the bucket of this stack, in this account, and the transfer task's role must have "
            "access. Undo manual changes to the bucket, its policy, its key or the role, or deploy "
            "the stack again."
        )


class StagingUnavailableError(ModelImportError):
    """S3 did not answer, or answered with a temporary failure; a retry may help."""

    def __init__(self, bucket: str, why: str) -> None:
        super().__init__(
            f"S3 did not serve the staging bucket {bucket!r}: {why}. This is retried. If it "
            "persists, check https://health.aws.amazon.com and that the subnets have a route to S3."
        )


class PermissionMissingError(ModelImportError):
    """IAM refuses a call without which the import cannot continue safely."""

    def __init__(self, action: str, reason: str) -> None:
        super().__init__(
            f"IAM does not allow {action}, and without it the import cannot continue safely. Allow "
            f"the action for the role or user that called, then start again. AWS says: {reason}"
        )
        self.action = action


class AwsUnavailableError(ModelImportError):
    """An AWS service did not answer, or answered with an internal failure."""

    def __init__(self, action: str, why: str) -> None:
        super().__init__(f"AWS did not answer {action}: {why}. This is retried.")


class PolicyInvalidError(ModelImportError):
    """The release policy is not valid; nothing is imported until it is."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The release policy is not valid: {found}. It must match "
            "functions/model_import/release/policy.schema.json. Nothing was imported. Correct it "
            "with `model-import watch add`, or in the SSM parameter that the stack output "
            "ReleasePolicyName names, then start again."
        )


class TransferInterruptedError(ModelImportError):
    """The transfer task was stopped before its slice was complete."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(
            f"The transfer task was stopped by {signal_name} before its slice was complete. "
            "This is retried, without the files and parts that are stored already."
        )


class ModelNotReadyError(ModelImportError):
    """Bedrock has not loaded the imported model yet (cold start)."""

    def __init__(self, model_arn: str) -> None:
        super().__init__(
            f"{model_arn} is not ready yet. This is retried for the time that a cold start may "
            "take."
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
"""Names of errors that the state machine itself raises."""
