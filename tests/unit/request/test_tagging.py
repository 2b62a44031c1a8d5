"""The tags of stack and execution: joined, checked, and cut to what an object may have."""

from __future__ import annotations

from urllib.parse import parse_qsl

import boto3
import pytest
from hypothesis import given, strategies as st
from moto import mock_aws

from model_import.errors import AwsUnavailableError, InvalidInputError
from model_import.request.tagging import STACK_TAG, merge_tags, object_tagging, read_stack_tags

STACK = {STACK_TAG: "model-import", "team": "platform"}


def test_a_stack_is_read_with_its_tags_and_its_name() -> None:
    with mock_aws():
        cloudformation = boto3.client("cloudformation")
        stack = cloudformation.create_stack(
            StackName="model-import",
            TemplateBody='{"Resources": {}}',
            Tags=[{"Key": "team", "Value": "platform"}],
        )

        assert read_stack_tags(cloudformation, stack["StackId"]) == STACK


def test_a_cloudformation_that_does_not_answer_is_named_as_what_can_be_tried_again() -> None:
    with mock_aws(), pytest.raises(AwsUnavailableError, match="cloudformation:DescribeStacks"):
        read_stack_tags(boto3.client("cloudformation"), "no-such-stack")


def test_the_execution_has_the_last_word_on_every_tag_but_the_stacks_name() -> None:
    assert merge_tags(STACK, {"team": "nlp", "x": "1"}) == {
        "team": "nlp",
        "x": "1",
        STACK_TAG: "model-import",
    }
    with pytest.raises(InvalidInputError, match=STACK_TAG):
        merge_tags(STACK, {STACK_TAG: "another"})


@pytest.mark.parametrize("tags", [{"équipe": "nlp"}, {"team": "日本"}, {"a": "b,c"}])
def test_a_tag_of_the_stack_that_bedrock_would_refuse_is_named_before_anything_moves(
    tags: dict[str, str],
) -> None:
    with pytest.raises(InvalidInputError, match="The stack has the tag") as refused:
        merge_tags(STACK | tags, {})
    assert next(iter(tags)) in str(refused.value)


def test_too_many_tags_together_are_refused_with_their_number() -> None:
    many = {str(number): "" for number in range(45)}

    assert len(merge_tags(STACK, {**many, "team": "nlp"} | {"0": ""})) <= 47
    with pytest.raises(InvalidInputError, match="49 tags together"):
        merge_tags(STACK, {**many, "one": "", "two": ""})


@given(st.dictionaries(st.text("aZ0 .:/=+@-_&", min_size=1), st.text("aZ0 .:/=+@-_&"), max_size=20))
def test_an_object_gets_the_last_ten_tags_however_they_are_spelt(tags: dict[str, str]) -> None:
    read = parse_qsl(object_tagging(tags), keep_blank_values=True)
    assert read == list(tags.items())[-10:]
