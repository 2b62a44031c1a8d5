"""The local Bedrock as a WSGI application: both endpoints on one port, distinguished by path."""

from __future__ import annotations

import logging
import threading
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from local.bedrock.control_plane import ControlPlane
from local.bedrock.errors import BedrockError
from local.bedrock.import_job import Checkpoint, import_checkpoint
from local.bedrock.reply import Reply, json_reply
from local.bedrock.runtime import Runtime
from local.bedrock.service_model import error_status, find_operation, read_request
from local.bedrock.settings import BedrockSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIEnvironment

    from mypy_boto3_s3 import S3Client

    type Request = Mapping[str, Any]

_LOGGER = logging.getLogger(__name__)


class LocalBedrock:
    """Bedrock Custom Model Import for one account and Region; threads may share it.

    Args:
        region: The Region that answers; Custom Model Import is not in all of them.
        account_id: The account in the ARNs.
        s3_client: Returns a client of the S3 with the staged files; called once per import. If
            one server answers for both, it must answer S3 while Bedrock waits.
        settings: The behaviour where the real Bedrock is slow or undocumented.
        role_exists: Returns whether IAM has a role with this ARN; without it any role is accepted.
    """

    def __init__(
        self,
        region: str,
        account_id: str,
        s3_client: Callable[[], S3Client],
        *,
        settings: BedrockSettings | None = None,
        role_exists: Callable[[str], bool] | None = None,
    ) -> None:
        settings = settings or BedrockSettings()

        def import_staged(s3_uri: str) -> Checkpoint:
            return import_checkpoint(
                s3_client(),
                s3_uri,
                region=region,
                held_bytes_at_most=settings.held_weights_bytes_at_most,
            )

        self._lock = threading.Lock()
        control = ControlPlane(region, account_id, import_staged, settings, role_exists)
        runtime = Runtime(control.model_to_invoke, settings, self._lock)
        self._control: dict[str, Callable[[Request], dict[str, Any]]] = {
            "CreateModelImportJob": control.create_model_import_job,
            "GetModelImportJob": control.get_model_import_job,
            "ListModelImportJobs": control.list_model_import_jobs,
            "GetImportedModel": control.get_imported_model,
            "ListImportedModels": control.list_imported_models,
            "DeleteImportedModel": control.delete_imported_model,
            "ListTagsForResource": control.list_tags_for_resource,
            "TagResource": control.tag_resource,
            "UntagResource": control.untag_resource,
        }
        self._runtime: dict[str, Callable[[Request], Reply]] = {
            "InvokeModel": runtime.invoke_model,
            "InvokeModelWithResponseStream": runtime.invoke_model_with_response_stream,
            "Converse": runtime.converse,
            "ConverseStream": runtime.converse_stream,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            reply = self._reply(environ)
        except BedrockError as error:
            reply = _error_reply(error)
        except Exception:
            _LOGGER.exception("%s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            reply = _error_reply(BedrockError("InternalServerException", "An error occurred."))
        headers = [*reply.headers.items(), ("x-amzn-requestid", str(uuid.uuid4()))]
        start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", headers)
        return reply.body

    def _reply(self, environ: WSGIEnvironment) -> Reply:
        method, path = environ["REQUEST_METHOD"], _encoded_path(environ)
        found = find_operation(method, path)
        if found is None:
            raise BedrockError("UnknownOperationException", f"Bedrock has no {method} {path}.")
        operation, labels = found
        if operation.name not in self._control and operation.name not in self._runtime:
            raise BedrockError(
                "UnknownOperationException", f"{operation.name} is not in the local Bedrock."
            )
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        request = read_request(operation, labels, query, _headers(environ), _body(environ))
        if operation.name in self._runtime:
            return self._runtime[operation.name](request)
        with self._lock:
            answer = self._control[operation.name](request)
        return json_reply(int(operation.http["responseCode"]), answer)


def _error_reply(error: BedrockError) -> Reply:
    return json_reply(
        error_status(error.name), {"message": error.message}, **{"x-amzn-errortype": error.name}
    )


def _encoded_path(environ: WSGIEnvironment) -> str:
    """Return the path as sent, percent-encoded, because PATH_INFO decodes an ARN's slash."""
    uri: str | None = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if uri is None:
        return quote(environ["PATH_INFO"].encode("latin-1"))
    path = uri.partition("?")[0]
    # A request line may contain the whole URL.
    return path if path.startswith("/") else "/" + path.partition("://")[2].partition("/")[2]


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    names = {name: name.removeprefix("HTTP_") for name in environ if name.startswith("HTTP_")}
    names["CONTENT_TYPE"] = "CONTENT_TYPE"
    return {
        header.lower().replace("_", "-"): environ[name]
        for name, header in names.items()
        if environ.get(name)
    }


def _body(environ: WSGIEnvironment) -> bytes:
    stream = environ["wsgi.input"]
    whole = environ.get("wsgi.input_terminated")
    body: bytes = stream.read(-1 if whole else int(environ.get("CONTENT_LENGTH") or 0))
    return body
