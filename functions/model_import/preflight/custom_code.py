"""Finds custom code in a repository, which Bedrock does not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model_import.findings.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_import.sources.hub.snapshot import Snapshot

_FIELD: Final = "auto_map"
_FILES: Final = (
    "config.json",
    "tokenizer_config.json",
    "processor_config.json",
    "preprocessor_config.json",
)
_OTHER_REPOSITORY: Final = "--"


def code_files(read_json: Callable[[str], object]) -> dict[str, tuple[str, ...]]:
    """Return the .py files that each configuration file names, by the name of that file.

    A file of another repository is written `organisation/name--file.py`.
    """
    named = {file: tuple(dict.fromkeys(_modules(read_json(file)))) for file in _FILES}
    return {file: modules for file, modules in named.items() if modules}


def check_custom_code(snapshot: Snapshot, read_json: Callable[[str], object]) -> Iterator[Finding]:
    """Yield a finding for each configuration file that names code."""
    for file, modules in code_files(read_json).items():
        yield Finding.of(
            "CUSTOM_CODE",
            f"{file}: {_FIELD}",
            found="The repository contains custom code: "
            + ", ".join(_describe_module(module, snapshot) for module in modules),
            accepted="Bedrock does not run this code. It loads its own class of the same name.",
        )


def _describe_module(module: str, snapshot: Snapshot) -> str:
    repo_id, separator, path = module.rpartition(_OTHER_REPOSITORY)
    if separator:
        return f"{path} of the repository {repo_id}"
    return module if snapshot.file(module) else f"{module}, which is missing"


def _modules(content: object) -> Iterator[str]:
    """Yield the files that an auto_map names; its values are `file.Class`, or lists of them."""
    auto_map: Any = content.get(_FIELD) if isinstance(content, dict) else None
    if isinstance(auto_map, str):
        auto_map = {"": auto_map}
    if isinstance(auto_map, list):
        auto_map = {"": auto_map}
    for references in auto_map.values() if isinstance(auto_map, dict) else []:
        for reference in references if isinstance(references, list) else [references]:
            if isinstance(reference, str):
                module, separator, _ = reference.rpartition(".")
                yield f"{module if separator else reference}.py"
