"""Runs every check of preflight on a repository."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from model_import.bedrock.rules import bedrock_rules
from model_import.chat.template import TOKENIZER_CONFIG, template_file
from model_import.findings.finding import Finding, legible
from model_import.model_files.json_files import parse_json
from model_import.model_files.names import GENERATION
from model_import.model_files.other_weights import NOT_SAFETENSORS
from model_import.model_files.selection import select_files
from model_import.normalisation import Normalised, normalise
from model_import.preflight.account import check_region
from model_import.preflight.chat_template import check_chat_template
from model_import.preflight.configuration import (
    architecture_class,
    check_configuration,
    context_length,
)
from model_import.preflight.custom_code import check_custom_code, code_files
from model_import.preflight.expected_tensors import check_tensors, expected_tensors
from model_import.preflight.licence import LicenceRules, check_licence
from model_import.preflight.purpose import check_purpose
from model_import.preflight.scan import check_scan
from model_import.preflight.small_files import read_config, read_small_files
from model_import.preflight.token_ids import check_token_ids, end_ids, places_of_ids
from model_import.preflight.tokenizer import check_tokenizer, embedding_rows, read_tokenizer
from model_import.preflight.verdict import ModelFigures, Verdict
from model_import.preflight.weights import check_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from model_import.bedrock.rules import Architecture
    from model_import.model_files.safetensors import Header
    from model_import.model_files.selection import ModelFiles
    from model_import.normalisation import Change
    from model_import.preflight.conversions import Conversion
    from model_import.preflight.small_files import FileReaders
    from model_import.sources.hub.snapshot import Snapshot

_HIDING: Final = re.compile(r"(INDEX|SHARD|HEADER|WEIGHTS)_|QUANTISED")
_ANY_LICENCE: Final = LicenceRules()


def judge(  # noqa: PLR0913 – independent inputs, most with a default
    snapshot: Snapshot,
    readers: FileReaders,
    region: str,
    *,
    normalising: bool = True,
    licences: LicenceRules = _ANY_LICENCE,
    find_conversion: Callable[[], Conversion | None] = lambda: None,
) -> Verdict:
    """Return the verdict on a repository; reads small files and headers, no weights.

    Checks the copy that would be staged: with `normalising`, the corrected one. Calls
    `find_conversion` if the weights are pickled.

    Raises:
        RepositoryGatedError: The Hub lists the files, but does not allow their download.
        HubUnavailableError: The Hub did not answer, or answered with a temporary failure.
    """
    small_files, findings = read_small_files(snapshot, readers)
    files, choice = select_files(snapshot, lambda path: parse_json(small_files.get(path, b"")))
    findings += [_with_conversion(finding, find_conversion) for finding in choice]
    copy = _copy(files, small_files)
    staged = copy.files if normalising else small_files
    parsed = {path: parse_json(content) for path, content in staged.items()}
    findings += check_region(region)
    findings += check_purpose(snapshot)
    findings += check_licence(snapshot.card.licence, licences)
    findings += check_scan(snapshot, _needed_paths(files, parsed.get))
    config, config_findings = read_config(small_files, parsed.get)
    findings += config_findings
    if config is not None:
        findings += check_configuration(config, region)
    findings += check_custom_code(snapshot, parsed.get)
    row = bedrock_rules().architecture(str((config or {}).get("model_type")))
    weights, weights_findings = check_weights(
        files,
        readers,
        multimodal=row is not None and row.multimodal,
        expected=None if config is None else expected_tensors(config),
    )
    findings += weights_findings
    if config is not None and not any(_hides_tensors(finding) for finding in findings):
        findings += check_tensors(config, weights.headers)
    findings += _check_text(staged, parsed.get, config, weights.headers, row)
    findings += [_change_finding(change, normalising=normalising) for change in copy.changes]
    figures = ModelFigures(
        licence=_legible_text(str(snapshot.card.licence) or None),
        model_type=_legible_text((config or {}).get("model_type")),
        architecture=_legible_text(architecture_class(config or {})),
        kind=None if row is None else row.kind,
        context_length=None if config is None else context_length(config),
        chat_template=_template_file(small_files, parsed.get),
        dtype=_legible_text(weights.dtype),
        parameters=weights.parameters,
        weights_files=len(files.weights),
        weights_bytes=files.weights_bytes,
    )
    return Verdict.of(findings, figures)


def _check_text(
    staged: Mapping[str, bytes],
    read_json: Callable[[str], object],
    config: dict[str, Any] | None,
    headers: dict[str, Header],
    row: Architecture | None,
) -> list[Finding]:
    """Return the findings on the tokenizer, the token ids and the chat template."""
    tokenizer, findings = read_tokenizer(staged, read_json)
    rows = embedding_rows(headers, config or {})
    places = places_of_ids(config, read_json(GENERATION))
    findings += check_tokenizer(tokenizer, rows)
    findings += check_token_ids(places, tokenizer, rows, row)
    findings += check_chat_template(
        staged, tokenizer, end_ids(places, row), multimodal=row is not None and row.multimodal
    )
    return findings


def _template_file(
    small_files: Mapping[str, bytes], read_json: Callable[[str], object]
) -> str | None:
    config = read_json(TOKENIZER_CONFIG)
    return template_file(small_files, config if isinstance(config, dict) else {})


def _copy(files: ModelFiles, small_files: dict[str, bytes]) -> Normalised:
    """Return the small files as preparation would stage them."""
    return normalise(
        {path: small_files[path] for file in files.metadata if (path := file.path) in small_files}
    )


def _with_conversion(finding: Finding, find_conversion: Callable[[], Conversion | None]) -> Finding:
    if finding.code != NOT_SAFETENSORS or (found := find_conversion()) is None:
        return finding
    return replace(
        finding,
        remedy=f'Specify "revision": "{found.revision}": an open pull request by '
        f"{legible(found.author)} that has the weights as safetensors. Review its changes first.",
    )


def _needed_paths(files: ModelFiles, read_json: Callable[[str], object]) -> set[str]:
    """Return the paths that are copied, and those of the model's custom code."""
    code = {path for paths in code_files(read_json).values() for path in paths}
    return code | {file.path for file in (*files.weights, *files.metadata)}


def _hides_tensors(finding: Finding) -> bool:
    """Return whether a finding means that the list of tensors is incomplete."""
    return finding.severity == "error" and _HIDING.match(finding.code) is not None


def _change_finding(change: Change, *, normalising: bool) -> Finding:
    left = "NEEDS_NORMALISING" if change.matters else "NORMALISING_ADVISED"
    before, after = (
        "absent" if value is None else json.dumps(value, ensure_ascii=False)
        for value in (change.before, change.after)
    )
    return Finding.of(
        "NORMALISED" if normalising else left,
        change.file if change.field is None else f"{change.file}: {change.field}",
        found=f"The value is {before}. {change.why}",
        accepted=f"{'In the staged copy, it is' if normalising else 'It should be'} {after}.",
    )


def _legible_text(value: object) -> str | None:
    return legible(value) if isinstance(value, str) else None
