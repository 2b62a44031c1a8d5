"""Template, state machine, code and events hold together: names, placeholders, retries, ends."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from local.deployment.stack import ROOT, read_template

from model_import import errors  # isort: skip
from model_import.errors import ModelImportError  # isort: skip
from model_import.preparation.fargate_sizes import is_fargate_size, task_size  # isort: skip
from model_import.forecast.data import forecast_data  # isort: skip
from model_import.release.webhook import read_release  # isort: skip
from model_import.request.input import ImportRequest  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE: Final = read_template()
MACHINES: Final = {
    ROOT / resource["Properties"]["DefinitionUri"]: resource["Properties"]
    for resource in TEMPLATE["Resources"].values()
    if resource["Type"] == "AWS::Serverless::StateMachine"
}
FUNCTIONS: Final = ROOT / "functions"
IMPORT: Final = ROOT / "statemachine" / "model_import.asl.yaml"
RELEASE: Final = ROOT / "statemachine" / "model_release.asl.yaml"
EVENTS: Final = sorted((ROOT / "events").glob("*.json"))
# Raised by AWS or by the language itself, not by this project.
FOREIGN: Final = re.compile(
    r"^(States\.|Lambda\.|Bedrock\.|Ssm\.|StepFunctions\.|NoChoiceMatched$)"
)


def load(path: Path) -> dict[str, Any]:
    substitutions = dict.fromkeys(MACHINES[path]["DefinitionSubstitutions"], "1")
    text = re.sub(r"\$\{(\w+)\}", lambda found: substitutions[found[1]], path.read_text())
    definition: dict[str, Any] = yaml.safe_load(text)
    return definition


def states(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


STATES: Final = {path: dict(states(load(path))) for path in MACHINES}
TASKS: Final = [
    pytest.param(state, id=f"{path.stem.partition('.')[0]}-{name}")
    for path, named in STATES.items()
    for name, state in named.items()
    if state["Type"] == "Task"
]
TRANSFER_RETRY: Final = STATES[IMPORT]["Transfer Slice"]["Retry"]
each_machine = pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.name)


def targets(state: dict[str, Any]) -> Iterator[str]:
    for holder in (state, *state.get("Choices", []), *state.get("Catch", [])):
        if "Next" in holder:
            yield holder["Next"]
    if "Default" in state:
        yield state["Default"]


def python_errors() -> set[str]:
    return {
        name
        for name, item in inspect.getmembers(errors, inspect.isclass)
        if issubclass(item, ModelImportError) and item is not ModelImportError
    }


def transfer_sources() -> set[Path]:
    """Return the modules that the transfer program imports, but for the one of all errors."""
    waiting = [*(FUNCTIONS / "transfer_model").glob("*.py")]
    reached = {Path(errors.__file__)}
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += imported_modules(path)
    return reached - {Path(errors.__file__)}


def imported_modules(path: Path) -> Iterator[Path]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            module = FUNCTIONS.joinpath(*str(node.module).split("."))
            for candidate in (module, *(module / alias.name for alias in node.names)):
                if candidate.with_suffix(".py").is_file():
                    yield candidate.with_suffix(".py")


def names_in_definition(path: Path) -> set[str]:
    text = path.read_text()
    listed = {
        name
        for state in STATES[path].values()
        for rule in (*state.get("Retry", []), *state.get("Catch", []))
        for name in rule["ErrorEquals"]
    }
    return listed | set(re.findall(r"^\s+Error: (\w+)$", text, re.MULTILINE))


@each_machine
def test_every_state_that_is_named_exists_and_is_reached(path: Path) -> None:
    named = {target for state in STATES[path].values() for target in targets(state)}
    inner = [state["ItemProcessor"] for state in STATES[path].values() if "ItemProcessor" in state]
    starts = {machine["StartAt"] for machine in (load(path), *inner)}

    assert named | starts == set(STATES[path])


@each_machine
def test_the_definition_has_no_alias_that_cloudformation_would_not_expand(path: Path) -> None:
    tokens = list(yaml.parse(path.read_text()))

    assert not [token for token in tokens if isinstance(token, yaml.AliasEvent)]


@each_machine
def test_placeholders_and_substitutions_are_the_same_set(path: Path) -> None:
    code = "\n".join(
        line for line in path.read_text().splitlines() if not line.strip().startswith("#")
    )

    placeholders = set(re.findall(r"\$\{(\w+)\}", code))
    assert placeholders == set(MACHINES[path]["DefinitionSubstitutions"])


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_timeout_a_retry_and_a_catch(task: dict[str, Any]) -> None:
    assert {"TimeoutSeconds", "Retry", "Catch"} <= task.keys()
    assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


@pytest.mark.parametrize("task", TASKS)
def test_no_retry_takes_every_error_and_permanent_ones_come_first(task: dict[str, Any]) -> None:
    retriers = task["Retry"]
    matching = [rule["ErrorEquals"] for rule in retriers]

    assert not any("States.ALL" in names for names in matching)
    permanent = [position for position, rule in enumerate(retriers) if rule["MaxAttempts"] == 0]
    assert permanent == list(range(len(permanent)))
    if any("States.TaskFailed" in names for names in matching) and "events" not in task["Resource"]:
        assert permanent


def test_the_transfer_tries_permanent_errors_of_its_program_once_and_transient_ones_again() -> None:
    once, again = (rule["ErrorEquals"] for rule in TRANSFER_RETRY)
    transient = {error.__name__ for error in errors.TRANSIENT}

    assert not transient & set(once)
    assert {"HubUnavailableError", "TransferInterruptedError"} <= transient & set(again)


def test_the_transfer_tries_once_exactly_what_its_modules_raise_for_good() -> None:
    once = set(TRANSFER_RETRY[0]["ErrorEquals"])
    sources = transfer_sources()
    named = {name for path in sources for name in re.findall(r"\b\w+Error\b", path.read_text())}
    transient = {error.__name__ for error in errors.TRANSIENT}

    assert once == (named & python_errors()) - transient - {"ModelImportError"}


def test_a_function_has_ended_before_its_state_times_out() -> None:
    timeouts = {
        f"{name.replace(' ', '')}Function": state["TimeoutSeconds"]
        for named in STATES.values()
        for name, state in named.items()
        if state.get("Resource", "").endswith("lambda:invoke")
    }

    assert len(timeouts) == 6
    for name, seconds in timeouts.items():
        assert seconds >= TEMPLATE["Resources"][name]["Properties"]["Timeout"] + 30


def test_who_is_asked_for_approval_has_time_after_the_function_that_asks() -> None:
    asking = TEMPLATE["Resources"]["RequestApprovalFunction"]["Properties"]

    assert TEMPLATE["Parameters"]["ApprovalSeconds"]["MinValue"] >= asking["Timeout"] + 300


def test_a_transfer_task_may_run_on_every_capacity_that_may_be_chosen() -> None:
    choices = TEMPLATE["Parameters"]["TransferCapacity"]
    cluster = TEMPLATE["Resources"]["TransferCluster"]["Properties"]

    assert cluster["CapacityProviders"] == choices["AllowedValues"]
    assert choices["Default"] == "FARGATE"


def test_every_task_size_that_the_stack_may_choose_is_one_of_fargates() -> None:
    definition = TEMPLATE["Resources"]["TransferTaskDefinition"]["Properties"]
    assert is_fargate_size(int(definition["Cpu"]), int(definition["Memory"]))
    for units in map(int, TEMPLATE["Parameters"]["TransferTaskCpu"]["AllowedValues"]):
        size = task_size(10**12, 1, cpu_units_at_most=units)
        assert size.cpu_units == min(units, 8192)
        assert is_fargate_size(size.cpu_units, size.memory_mib)


def test_the_forecast_has_the_same_throughput_everywhere() -> None:
    default = TEMPLATE["Parameters"]["ForecastMegabytesPerSecond"]["Default"]

    assert default == forecast_data().megabytes_per_second.value


@each_machine
def test_every_choice_closes_with_the_failure_route(path: Path) -> None:
    choices = [state for state in STATES[path].values() if state["Type"] == "Choice"]

    assert {state["Default"] for state in choices} == {"Record Failure"}


def test_the_error_names_of_the_state_machine_are_those_of_the_code() -> None:
    names = set[str]().union(*map(names_in_definition, MACHINES))
    custom = {name for name in names if not FOREIGN.match(name)}

    assert custom <= python_errors() | set(errors.RAISED_BY_STATE_MACHINE)
    assert set(errors.RAISED_BY_STATE_MACHINE) <= custom
    assert {error.__name__ for error in errors.TRANSIENT} <= custom


def test_every_handler_of_the_template_exists() -> None:
    functions = [
        resource["Properties"]
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]

    for function in functions:
        folder, module, name = function["Handler"].split(".")
        source = (ROOT / "functions" / folder / f"{module}.py").read_text()
        assert f"def {name}(" in source


def test_a_zip_has_every_folder_of_the_functions_and_nothing_compiled(tmp_path: Path) -> None:
    # The packages are installed by pip; here it does nothing.
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()

    subprocess.run(
        ["make", "--silent", "build-AnyFunction", f"ARTIFACTS_DIR={artifacts}"],
        cwd=ROOT / "functions",
        env=os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}"},
        check=True,
    )

    sources = {path.relative_to(ROOT / "functions") for path in (ROOT / "functions").rglob("*.py")}
    copied = {path.relative_to(artifacts) for path in artifacts.rglob("*.py")}
    assert copied == sources
    assert not list(artifacts.rglob("__pycache__"))


def test_the_release_event_matches_the_rule_and_its_detail_is_an_input() -> None:
    event = json.loads((ROOT / "events" / "model_released.json").read_text())
    assert "Events" not in MACHINES[IMPORT]
    rule = MACHINES[RELEASE]["Events"]["ModelReleased"]["Properties"]

    assert [event["source"]] == rule["Pattern"]["source"]
    assert [event["detail-type"]] == rule["Pattern"]["detail-type"]
    assert rule["InputPath"] == "$.detail"
    ImportRequest.from_input(event["detail"])


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: Path(path).stem)
def test_every_event_file_is_an_input_that_is_accepted(path: Path) -> None:
    event = json.loads(path.read_text())
    if path.stem == "hub_webhook":
        assert read_release(path.read_bytes(), "main") is not None
        return

    ImportRequest.from_input(event.get("detail", event))


def test_the_zip_carries_exactly_the_locked_functions_group_without_hf_xet() -> None:
    lock = (ROOT / "uv.lock").read_text()
    versions = dict(re.findall(r'^name = "(.+)"\nversion = "(.+)"$', lock, re.MULTILINE))
    requirements = (ROOT / "functions" / "requirements.txt").read_text().splitlines()
    pinned = dict(line.split(" ;")[0].split("==") for line in requirements if "==" in line)

    assert pinned.items() <= versions.items()
    assert {"aws-lambda-powertools", "huggingface-hub", "urllib3"} <= pinned.keys()
    assert not {"boto3", "botocore", "hf-xet"} & pinned.keys()
