"""Fargate on one machine: a task is the transfer program in its own process.

It gets what a Fargate task gets: the task definition's environment with the overrides of RunTask,
a Region and credentials. It inherits nothing from this process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from local.aws.lambda_functions import FUNCTIONS
from model_import.preparation.fargate_sizes import is_fargate_size

if TYPE_CHECKING:
    from collections.abc import Callable

_OVERRIDE_CHARACTERS_AT_MOST: Final = 8192
_STOP_SECONDS: Final = 120


class EcsError(Exception):
    """An error of ECS, with its name in the ECS API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class TransferTask:
    """One run of the transfer program."""

    arn: str
    cluster_arn: str
    definition_arn: str
    container: str
    capacity_provider: str
    process: subprocess.Popen[bytes]
    reader: threading.Thread
    stopped_reason: str = "Essential container in task exited"

    def describe(self) -> dict[str, Any]:
        """Return the task as DescribeTasks does."""
        exit_code = self.process.poll()
        container: dict[str, Any] = {"name": self.container, "lastStatus": "RUNNING"}
        task: dict[str, Any] = {
            "taskArn": self.arn,
            "clusterArn": self.cluster_arn,
            "taskDefinitionArn": self.definition_arn,
            "launchType": "FARGATE",
            "capacityProviderName": self.capacity_provider,
            "desiredStatus": "RUNNING",
            "lastStatus": "RUNNING",
            "containers": [container],
        }
        if exit_code is not None:
            # The exit code of a container that ended by a signal is 128 + signal.
            container |= {
                "lastStatus": "STOPPED",
                "exitCode": exit_code if exit_code >= 0 else 128 - exit_code,
            }
            task |= {
                "lastStatus": "STOPPED",
                "desiredStatus": "STOPPED",
                "stopCode": "EssentialContainerExited",
                "stoppedReason": self.stopped_reason,
            }
        return task


@dataclass(slots=True)
class TransferTasks:
    """All tasks of one local AWS; `on_log_line` receives the lines that they log."""

    environment: dict[str, str]
    describe_task_definition: Callable[[str], dict[str, Any]]
    on_log_line: Callable[[str, str], None]
    _tasks: dict[str, TransferTask] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def run(self, request: dict[str, Any]) -> TransferTask:
        """Start a task as RunTask does.

        Raises:
            EcsError: ECS would refuse the request.
        """
        definition = self.describe_task_definition(request["taskDefinition"])
        overrides = request.get("overrides", {})
        _check(request, overrides, definition)
        container = definition["containerDefinitions"][0]
        variables = {entry["name"]: entry["value"] for entry in container.get("environment", [])}
        for override in overrides.get("containerOverrides", []):
            if override["name"] != container["name"]:
                message = f"Override for container named {override['name']} is not a container in"
                raise EcsError("InvalidParameterException", f"{message} the TaskDefinition.")
            variables |= {entry["name"]: entry["value"] for entry in override["environment"]}
        cluster_arn = request["cluster"]
        arn = cluster_arn.replace(":cluster/", ":task/") + f"/{uuid.uuid4().hex}"
        (strategy,) = request["capacityProviderStrategy"]
        task = self._start(arn, cluster_arn, definition, variables, strategy["capacityProvider"])
        with self._lock:
            self._tasks[arn] = task
        return task

    def _start(
        self,
        arn: str,
        cluster_arn: str,
        definition: dict[str, Any],
        variables: dict[str, str],
        capacity_provider: str,
    ) -> TransferTask:
        # In its own session, so that Ctrl-C at the terminal reaches it only once, through us.
        process = subprocess.Popen(
            [sys.executable, "-m", "transfer_model"],
            cwd=FUNCTIONS,
            env={"PATH": os.environ["PATH"], **self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        reader = threading.Thread(target=self._read_log, args=(arn, process), daemon=True)
        reader.start()
        return TransferTask(
            arn=arn,
            cluster_arn=cluster_arn,
            definition_arn=definition["taskDefinitionArn"],
            container=definition["containerDefinitions"][0]["name"],
            capacity_provider=capacity_provider,
            process=process,
            reader=reader,
        )

    def _read_log(self, arn: str, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                self.on_log_line(arn, line.decode(errors="replace").rstrip("\n"))

    def find(self, arn: str) -> TransferTask | None:
        with self._lock:
            return self._tasks.get(arn)

    def stop(self, arn: str, reason: str) -> TransferTask:
        """Send SIGTERM, as StopTask does.

        Raises:
            EcsError: There is no such task.
        """
        task = self.find(arn)
        if task is None:
            raise EcsError("InvalidParameterException", "The referenced task was not found.")
        task.stopped_reason = reason
        if task.process.poll() is None:
            task.process.send_signal(signal.SIGTERM)
        return task

    def close(self) -> None:
        """Stop every task and wait for its end; kill one that does not react to SIGTERM."""
        with self._lock:
            tasks = list(self._tasks.values())
        for task in tasks:
            self.stop(task.arn, "The local AWS is shutting down")
        for task in tasks:
            try:
                task.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                task.process.kill()
                task.process.wait()
            task.reader.join()


def _check(request: dict[str, Any], overrides: dict[str, Any], definition: dict[str, Any]) -> None:
    characters = sum(
        len(entry["name"]) + len(entry["value"])
        for override in overrides.get("containerOverrides", [])
        for entry in override.get("environment", [])
    )
    if characters > _OVERRIDE_CHARACTERS_AT_MOST:
        limit = _OVERRIDE_CHARACTERS_AT_MOST
        raise EcsError(
            "InvalidParameterException", f"Container Overrides length must be at most {limit}"
        )
    sizes = {**definition, **overrides}
    cpu, memory = int(sizes["cpu"]), int(sizes["memory"])
    if not is_fargate_size(cpu, memory):
        message = f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."
        raise EcsError("ClientException", message)
    network = request.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    if not network.get("subnets") or not all(network["subnets"]):
        raise EcsError("InvalidParameterException", "subnets can not be empty.")
