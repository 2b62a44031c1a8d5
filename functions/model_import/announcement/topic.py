"""The topic that announcements are published to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

    from model_import.announcement.message import Announcement


def publish(sns: SNSClient, topic_arn: str, announcement: Announcement) -> str:
    """Publish an announcement to every subscriber; return the message's id.

    Raises:
        ClientError: SNS refused.
    """
    return sns.publish(TopicArn=topic_arn, **announcement.request())["MessageId"]
