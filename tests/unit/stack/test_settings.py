"""What the functions take from their environment, as template.yaml sets it."""

from __future__ import annotations

import pytest

from local.deployment.stack import read_template
from model_import.preflight.licence import LicenceRules
from stack.settings import FunctionSettings

ENVIRONMENT = {
    "ACCOUNT_ID": "123456789012",
    "STACK_ID": "arn:aws:cloudformation:us-east-1:123456789012:stack/model-import/1",
    "AWS_REGION": "us-east-1",
    "HUB_ENDPOINT": "https://huggingface.co",
    "STAGING_BUCKET": "staging",
}


def rules_of(environ: dict[str, str]) -> LicenceRules:
    settings = FunctionSettings.from_environ(environ)
    return LicenceRules.of(settings.licences_allowed, settings.licences_denied)


@pytest.mark.parametrize(
    ("allowed", "denied", "rules"),
    [
        ("", "", LicenceRules()),
        ("apache-2.0, MIT", "", LicenceRules(frozenset({"apache-2.0", "mit"}))),
        ("", "cc-by-nc-4.0,", LicenceRules(denied=frozenset({"cc-by-nc-4.0"}))),
    ],
)
def test_the_lists_of_licences_are_those_of_the_stack(
    allowed: str, denied: str, rules: LicenceRules
) -> None:
    lists = {"LICENCES_ALLOWED": allowed, "LICENCES_DENIED": denied}
    assert rules_of(ENVIRONMENT | lists) == rules
    assert rules_of(ENVIRONMENT) == LicenceRules()


def test_the_template_gives_the_lists_to_the_function_that_validates() -> None:
    properties = read_template()["Resources"]["ValidateRepositoryFunction"]["Properties"]
    variables = properties["Environment"]["Variables"]
    for name, parameter in (
        ("LICENCES_ALLOWED", "LicencesAllowed"),
        ("LICENCES_DENIED", "LicencesDenied"),
    ):
        assert variables[name] == {"Fn::Join": [",", {"Ref": parameter}]}
