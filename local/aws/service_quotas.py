"""Service Quotas with Bedrock's two quotas of Custom Model Import; moto has only those of VPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model_import.bedrock.rules import bedrock_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_import.bedrock.rules import Quota

OPERATIONS: Final = ("GetServiceQuota", "GetAWSDefaultServiceQuota")


class NoSuchQuotaError(Exception):
    """Service Quotas has no such quota, or the account has no applied value for it."""

    code = "NoSuchResourceException"


def answer_service_quotas(
    operation: str, applied: Mapping[str, int], request: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the answer to one of `OPERATIONS`; `applied` has the account's values by quota code.

    Raises:
        NoSuchQuotaError: There is no such quota, or no applied value for the account.
    """
    code = request["QuotaCode"]
    quota = next((row for row in bedrock_rules().quotas if row.code == code), None)
    if quota is None or request["ServiceCode"] != "bedrock":
        raise NoSuchQuotaError(f"No quota {code} of {request['ServiceCode']}.")
    if operation == "GetAWSDefaultServiceQuota":
        return {"Quota": _described(quota, quota.default)}
    if code not in applied:
        raise NoSuchQuotaError(f"The account has no applied value for {code}.")
    return {"Quota": _described(quota, applied[code])}


def _described(quota: Quota, value: int) -> dict[str, Any]:
    return {
        "ServiceCode": "bedrock",
        "ServiceName": "Amazon Bedrock",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": float(value),
        "Unit": "None",
        "Adjustable": quota.adjustable,
        "GlobalQuota": False,
    }
