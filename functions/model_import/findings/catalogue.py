"""The only list of finding codes, each with its severity, cause and remedy.

`make generate` writes docs/findings.md from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

type Severity = Literal["error", "normalised", "warning"]


class Subject(StrEnum):
    """What a finding is about, in the order of docs/findings.md."""

    REGION = "Region"
    ACCOUNT = "Account"
    REPOSITORY = "Repository"
    ARCHITECTURE = "Architecture"
    CONFIGURATION = "Configuration"
    PRECISION = "Precision"
    WEIGHTS = "Weights"
    TENSORS = "Tensors"
    TOKENIZER = "Tokenizer"
    COPY = "Staged copy"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """What a code means, and the remedy of a finding that gives none of its own."""

    code: str
    subject: Subject
    severity: Severity
    cause: str
    remedy: str


_OTHER_SAVE: Final = (
    "The index and the shards come from different saves. Choose another revision, or ask the owner "
    "to upload both from one save."
)
_OTHER_MODEL: Final = (
    "config.json and the weights belong to different models, or come from different saves. Choose "
    "another revision, or ask the owner to upload both from one save."
)
_UPLOAD_AGAIN: Final = (
    "The upload was incomplete or mixed up with another one. Ask the owner to upload the file "
    "again, or choose another revision."
)
_UNQUANTISED: Final = (
    "Import the repository of the unquantised weights, or convert the weights to BF16 and publish "
    "them."
)
_SUPPORTED_REGION: Final = "Deploy the stack in one of the listed Regions."

_OTHER_LICENCE: Final = (
    "Choose a model with another licence, or ask the person responsible for the list to change it: "
    "LicencesAllowed and LicencesDenied of the stack, --allow-licence and --deny-licence of the "
    "command."
)

_ENTRIES: Final = (
    CatalogueEntry(
        "REGION_UNSUPPORTED",
        Subject.REGION,
        "error",
        "Custom Model Import is not available in the Region.",
        _SUPPORTED_REGION,
    ),
    CatalogueEntry(
        "ARCH_REGION",
        Subject.REGION,
        "error",
        "Bedrock imports the model family, but not in this Region.",
        _SUPPORTED_REGION,
    ),
    CatalogueEntry(
        "MODEL_NAME_TAKEN",
        Subject.ACCOUNT,
        "error",
        "Another imported model of the account, or another running import job, uses the name.",
        "Specify another model_name, or delete the model with this name if nobody uses it.",
    ),
    CatalogueEntry(
        "MODEL_QUOTA_FULL",
        Subject.ACCOUNT,
        "error",
        "The account has as many imported models as its quota allows. Running import jobs count.",
        "Delete a model that nobody uses (aws bedrock delete-imported-model --model-identifier "
        "NAME), or request a quota increase in Service Quotas.",
    ),
    CatalogueEntry(
        "PERMISSION_MISSING",
        Subject.ACCOUNT,
        "error",
        "IAM does not allow a call that shows whether the model is already imported. "
        "`model-import check` reports a warning instead: the stack may have more permissions.",
        "Allow the action for the role or user that makes the call.",
    ),
    CatalogueEntry(
        "ACCOUNT_NOT_CHECKED",
        Subject.ACCOUNT,
        "warning",
        "There are no AWS credentials, or AWS does not accept them. Names, quotas and running "
        "import jobs are not known.",
        "To check them now, run the command with AWS credentials for the stack's account.",
    ),
    CatalogueEntry(
        "IMPORT_SLOT_TAKEN",
        Subject.ACCOUNT,
        "warning",
        "The account has as many running import jobs as its quota allows.",
        "No action needed. An execution transfers the weights in the meantime, then waits for a "
        "free slot.",
    ),
    CatalogueEntry(
        "MODEL_ALREADY_IMPORTED",
        Subject.ACCOUNT,
        "warning",
        "The same commit of the repository is already imported.",
        "Use the existing model. For a second copy, which takes a slot and is billed for storage, "
        "specify a model_name of its own.",
    ),
    CatalogueEntry(
        "MODEL_BEING_IMPORTED",
        Subject.ACCOUNT,
        "warning",
        "An import job for the same commit of the repository is running.",
        "No action needed.",
    ),
    CatalogueEntry(
        "MODEL_IMPORTED_BY_ANOTHER_NAME",
        Subject.ACCOUNT,
        "warning",
        "The same commit is already imported, under another name than the specified model_name.",
        "To use the existing model, leave model_name out. A second model takes a slot and is "
        "billed for storage.",
    ),
    CatalogueEntry(
        "QUOTA_UNREADABLE",
        Subject.ACCOUNT,
        "warning",
        "IAM does not allow reading a quota of the account, so the default was assumed.",
        "Allow the action for the role or user that makes the call.",
    ),
    CatalogueEntry(
        "FILE_MISSING",
        Subject.REPOSITORY,
        "error",
        "A file that Bedrock requires is not at the root of the repository.",
        "Save the model and its tokenizer with transformers' save_pretrained, which writes the "
        "file (a fast tokenizer writes tokenizer.json).",
    ),
    CatalogueEntry(
        "WEIGHTS_MISSING",
        Subject.REPOSITORY,
        "error",
        "The repository has no weights in any format.",
        "Check the repository id: the repository may be empty or hold only a tokenizer.",
    ),
    CatalogueEntry(
        "WEIGHTS_ADAPTER_ONLY",
        Subject.REPOSITORY,
        "error",
        "The repository contains a LoRA adapter, but not its base model.",
        "Merge the adapter into its base model with PEFT's merge_and_unload, and publish the "
        "merged model.",
    ),
    CatalogueEntry(
        "WEIGHTS_DIFFUSERS",
        Subject.REPOSITORY,
        "error",
        "The repository contains a diffusers pipeline, which generates images.",
        "Choose a language model. Custom Model Import accepts no other models.",
    ),
    CatalogueEntry(
        "WEIGHTS_ELSEWHERE",
        Subject.REPOSITORY,
        "error",
        "The repository has safetensors files, but none with the name that transformers loads.",
        "Save the model with save_pretrained, which writes the files under that name.",
    ),
    CatalogueEntry(
        "WEIGHTS_GGUF_ONLY",
        Subject.REPOSITORY,
        "error",
        "The weights are GGUF files, the format of llama.cpp.",
        "Import the repository of the original weights. The GGUF repository names it as its base "
        "model.",
    ),
    CatalogueEntry(
        "WEIGHTS_NOT_SAFETENSORS",
        Subject.REPOSITORY,
        "error",
        "The weights are pickled PyTorch, TensorFlow or Flax files, which Bedrock does not read.",
        "Convert the weights with https://huggingface.co/spaces/safetensors/convert, which opens a "
        "pull request. Then specify its revision (refs/pr/N).",
    ),
    CatalogueEntry(
        "WEIGHTS_TOO_LARGE",
        Subject.REPOSITORY,
        "error",
        "The size of the weights exceeds Bedrock's limit.",
        "Choose a smaller model of the family.",
    ),
    CatalogueEntry(
        "WEIGHTS_TWICE",
        Subject.REPOSITORY,
        "warning",
        "The repository has shards next to a single weights file: a second copy of the weights, or "
        "another model.",
        "No action needed if both hold the same weights. If not, specify a revision that has only "
        "the weights you want.",
    ),
    CatalogueEntry(
        "FILE_TOO_LARGE",
        Subject.REPOSITORY,
        "error",
        "A file next to the weights is larger than in any published model.",
        "Ask the owner what the file contains, and specify a revision without it.",
    ),
    CatalogueEntry(
        "FILE_UNSAFE",
        Subject.REPOSITORY,
        "error",
        "The Hub's scanners report a file as unsafe that would be copied, or that is code of the "
        "model.",
        "Read the scanners' report on the repository's page, and specify a revision whose files "
        "they report as safe.",
    ),
    CatalogueEntry(
        "FILE_SUSPECT",
        Subject.REPOSITORY,
        "warning",
        "The Hub's scanners flag a file that is not copied, or are not certain about a file that "
        "is copied.",
        "Read the scanners' report on the repository's page before you trust the owner.",
    ),
    CatalogueEntry(
        "EMBEDDING_MODEL",
        Subject.REPOSITORY,
        "error",
        "The repository is published for sentence-transformers, as an embedding model.",
        "Choose the model of the family that generates text. For embeddings, choose a model that "
        "Bedrock itself offers.",
    ),
    CatalogueEntry(
        "USE_OTHER",
        Subject.REPOSITORY,
        "warning",
        "The model is published for a task other than generating text.",
        "Make sure that the model answers with text. A classifier, a reranker or an embedding "
        "model may import, but is then of no use.",
    ),
    CatalogueEntry(
        "LICENCE_NOT_ALLOWED",
        Subject.REPOSITORY,
        "error",
        "The licence is not on the list of allowed licences, or the repository names no licence.",
        _OTHER_LICENCE,
    ),
    CatalogueEntry(
        "LICENCE_DENIED",
        Subject.REPOSITORY,
        "error",
        "The licence is on the list of denied licences.",
        _OTHER_LICENCE,
    ),
    CatalogueEntry(
        "LICENCE_UNKNOWN",
        Subject.REPOSITORY,
        "warning",
        "The repository names no licence.",
        "Read the repository's page, and ask the owner before you serve the model.",
    ),
    CatalogueEntry(
        "CUSTOM_CODE",
        Subject.REPOSITORY,
        "warning",
        "The repository contains custom code, which Bedrock does not run.",
        "Make sure that the model works in transformers with trust_remote_code=False.",
    ),
    CatalogueEntry(
        "ARCH_UNSUPPORTED",
        Subject.ARCHITECTURE,
        "error",
        "Bedrock does not import the model family.",
        "Choose a model of one of the listed families. Bedrock imports no others.",
    ),
    CatalogueEntry(
        "ARCH_CLASS_UNSUPPORTED",
        Subject.ARCHITECTURE,
        "error",
        "Bedrock imports the model family, but not this class of it.",
        "Choose the model of the family that generates text. A classifier, a reward model or an "
        "embedding model has another head and cannot be imported.",
    ),
    CatalogueEntry(
        "CONFIG_INVALID",
        Subject.CONFIGURATION,
        "error",
        "config.json is not a JSON object.",
        "Save the model again with save_pretrained.",
    ),
    CatalogueEntry(
        "CONFIG_SIZE_INVALID",
        Subject.CONFIGURATION,
        "error",
        "A size in config.json is not a valid size.",
        "Ask the owner to upload the config.json that was saved with the weights.",
    ),
    CatalogueEntry(
        "CONTEXT_UNKNOWN",
        Subject.CONFIGURATION,
        "error",
        "config.json does not state the context length, which Bedrock checks.",
        "Ask the owner to add the context length to config.json.",
    ),
    CatalogueEntry(
        "CONTEXT_TOO_LONG",
        Subject.CONFIGURATION,
        "error",
        "The model's context exceeds Bedrock's limit.",
        "If the model works with a shorter context, publish a copy whose config.json states it, "
        "and import the copy.",
    ),
    CatalogueEntry(
        "ROPE_OVERRIDDEN",
        Subject.CONFIGURATION,
        "warning",
        "Bedrock serves the model with another RoPE scaling than it was trained with.",
        "Test long prompts before you rely on them. Answers to short prompts are not affected.",
    ),
    CatalogueEntry(
        "ROPE_FACTOR_IGNORED",
        Subject.CONFIGURATION,
        "warning",
        "The version of transformers that Bedrock names uses another RoPE scaling factor than "
        "config.json states.",
        "Publish a copy whose max_position_embeddings is the factor times the original length, or "
        "keep prompts short. Answers to prompts beyond the original length are worse than "
        "intended.",
    ),
    CatalogueEntry(
        "QUANTISED",
        Subject.PRECISION,
        "error",
        "config.json states that the weights are quantised.",
        _UNQUANTISED,
    ),
    CatalogueEntry(
        "DTYPE_UNSUPPORTED",
        Subject.PRECISION,
        "error",
        "config.json names a data type that Bedrock does not import.",
        "Convert the weights to bfloat16 and save the model again.",
    ),
    CatalogueEntry(
        "TENSOR_DTYPE_UNSUPPORTED",
        Subject.PRECISION,
        "error",
        "Tensors in the weights have a data type that Bedrock does not import.",
        _UNQUANTISED,
    ),
    CatalogueEntry(
        "TENSOR_DTYPE_MIXED",
        Subject.PRECISION,
        "error",
        "A layer has both F16 and BF16 tensors. Both types have the same size, so a tensor with "
        "the wrong type loads with wrong numbers.",
        "Choose another revision, or ask the owner to save the model in the type in which it was "
        "trained.",
    ),
    CatalogueEntry(
        "INDEX_MISSING",
        Subject.WEIGHTS,
        "error",
        "The repository has shards, but no index that states what they contain.",
        "Save the model again with save_pretrained, which writes the index.",
    ),
    CatalogueEntry(
        "INDEX_INVALID",
        Subject.WEIGHTS,
        "error",
        "The index is not a JSON object with a weight_map of tensor names to file names.",
        "Save the model again with save_pretrained.",
    ),
    CatalogueEntry(
        "INDEX_PATH_INVALID",
        Subject.WEIGHTS,
        "error",
        "The index names a shard that is not a plain name of a weights file next to it.",
        "Save the model again with save_pretrained, which names the shards itself.",
    ),
    CatalogueEntry(
        "INDEX_TOTAL_SIZE",
        Subject.WEIGHTS,
        "warning",
        "The total size in the index differs from the size of the tensors in the shards. No loader "
        "uses it, and published indexes often count shared tensors or another data type.",
        "No action needed. If the index and the shards differ in anything else, other findings "
        "report it.",
    ),
    CatalogueEntry(
        "INDEX_TENSOR_MISSING",
        Subject.WEIGHTS,
        "error",
        "The index assigns tensors to shards that do not have them.",
        _OTHER_SAVE,
    ),
    CatalogueEntry(
        "INDEX_TENSOR_UNNAMED",
        Subject.WEIGHTS,
        "error",
        "Shards have tensors that the index does not assign to them.",
        _OTHER_SAVE,
    ),
    CatalogueEntry(
        "SHARD_MISSING",
        Subject.WEIGHTS,
        "error",
        "The index names a shard that the repository does not have.",
        "Choose a complete revision, or ask the owner to upload the shard.",
    ),
    CatalogueEntry(
        "SHARD_NOT_IN_INDEX",
        Subject.WEIGHTS,
        "warning",
        "A file has the name of a shard, but the index assigns no tensor to it. It is not copied.",
        "Ask the owner which file is out of date, the index or the shard, and to remove it.",
    ),
    CatalogueEntry(
        "SHARD_TRUNCATED",
        Subject.WEIGHTS,
        "error",
        "A weights file is shorter than its header states.",
        _UPLOAD_AGAIN,
    ),
    CatalogueEntry(
        "SHARD_OVERLONG",
        Subject.WEIGHTS,
        "error",
        "A weights file is longer than its header states.",
        _UPLOAD_AGAIN,
    ),
    CatalogueEntry(
        "HEADER_INVALID",
        Subject.WEIGHTS,
        "error",
        "A weights file does not begin with a valid safetensors header.",
        "Ask the owner to upload the file again.",
    ),
    CatalogueEntry(
        "HEADER_FORMAT_UNKNOWN",
        Subject.WEIGHTS,
        "error",
        "A weights file has metadata without a format, or with a format that transformers rejects.",
        "Save the model again with save_pretrained, which writes the format.",
    ),
    CatalogueEntry(
        "HEADERS_TOO_LARGE",
        Subject.WEIGHTS,
        "error",
        "The headers of the weights files are together several times larger than those of the "
        "largest model.",
        "Save the model again with save_pretrained, which writes only what the headers need.",
    ),
    CatalogueEntry(
        "TENSOR_TWICE",
        Subject.WEIGHTS,
        "error",
        "A tensor is in two files, and it is not defined which of them is loaded.",
        "The shards come from different saves. Choose another revision, or ask the owner to upload "
        "all shards from one save.",
    ),
    CatalogueEntry(
        "TENSOR_MISSING",
        Subject.TENSORS,
        "error",
        "The weights lack tensors of the model that config.json describes.",
        _OTHER_MODEL,
    ),
    CatalogueEntry(
        "TENSOR_UNEXPECTED",
        Subject.TENSORS,
        "error",
        "The weights have tensors that the model does not have: of an adapter, merged projections, "
        "quantised weights, another head or more layers.",
        _OTHER_MODEL,
    ),
    CatalogueEntry(
        "TENSOR_SHAPE",
        Subject.TENSORS,
        "error",
        "Tensors have another shape than config.json specifies.",
        _OTHER_MODEL,
    ),
    CatalogueEntry(
        "TOKENIZER_INVALID",
        Subject.TOKENIZER,
        "error",
        "A tokenizer file is not a JSON object, or tokenizer.json has no vocabulary.",
        "Save the tokenizer again with save_pretrained.",
    ),
    CatalogueEntry(
        "TOKENIZER_CLASS_UNSUPPORTED",
        Subject.TOKENIZER,
        "error",
        "Bedrock does not support the class of the tokenizer.",
        "If tokenizer.json holds the whole tokenizer, publish a copy whose tokenizer_class is "
        "PreTrainedTokenizerFast, which reads tokenizer.json unchanged.",
    ),
    CatalogueEntry(
        "VOCABULARY_TOO_LARGE",
        Subject.TOKENIZER,
        "error",
        "The tokenizer has tokens that have no row in the embedding.",
        "Ask the owner to save the tokenizer and the weights together. They belong to different "
        "models, or the embedding was not resized for added tokens.",
    ),
    CatalogueEntry(
        "TOKENIZER_FILES_DISAGREE",
        Subject.TOKENIZER,
        "warning",
        "tokenizer_config.json and tokenizer.json give a token different ids.",
        "Compare both files with those of the owner's base model, and ask the model a question "
        "before you rely on it. One of the files belongs to another model.",
    ),
    CatalogueEntry(
        "SPECIAL_TOKEN_UNKNOWN",
        Subject.TOKENIZER,
        "warning",
        "A special token is not in the vocabulary. transformers adds it when it loads the "
        "tokenizer.",
        "Ask the owner to save the tokenizer again. Text that contains the token fails or is read "
        "wrongly. This is harmless for padding, but not for a token that begins or ends a text.",
    ),
    CatalogueEntry(
        "TOKEN_ID_INVALID",
        Subject.TOKENIZER,
        "error",
        "The id of a special token is not a number, or the embedding has no row for it.",
        "Ask the owner to save the model and the tokenizer together. The file belongs to another "
        "model, or was edited by hand.",
    ),
    CatalogueEntry(
        "TOKEN_ID_UNUSED",
        Subject.TOKENIZER,
        "warning",
        "The id of a special token is the default that transformers writes, and is beyond the end "
        "of the vocabulary.",
        "Make sure that the tokenizer has the token that you expect. The model never meets this "
        "id.",
    ),
    CatalogueEntry(
        "TOKEN_IDS_DISAGREE",
        Subject.TOKENIZER,
        "warning",
        "The configuration names another special token than the tokenizer.",
        "If answers are poor, compare with the owner's base model. The tokenizer splits the "
        "prompt, so its token applies.",
    ),
    CatalogueEntry(
        "ANSWER_NOT_ENDED",
        Subject.TOKENIZER,
        "warning",
        "The tokenizer or the chat template ends an answer with a token at which generation does "
        "not stop.",
        "Send the token as a stop sequence, or publish a copy whose eos_token_id has the token's "
        "id. Otherwise an answer may continue to the token limit. A base model does not end its "
        "texts.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_MISSING",
        Subject.TOKENIZER,
        "warning",
        "There is no chat template, so the model accepts prompts but no chat messages.",
        "Send prompts with the model's special tokens, or publish a copy with a chat template.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_UNDECIDED",
        Subject.TOKENIZER,
        "warning",
        "There are several chat templates, and none of them is named default.",
        "Send prompts, or publish a copy with only the template that you want. Chat messages and "
        "Converse fail.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_INVALID",
        Subject.TOKENIZER,
        "warning",
        "The chat template cannot render even one user message.",
        "Publish a copy with a template that works. Otherwise the model imports and answers "
        "prompts, but chat messages and Converse fail.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_LIMITED",
        Subject.TOKENIZER,
        "warning",
        "The chat template rejects, or leaves out, a part of a conversation that Bedrock may pass "
        "to it.",
        "Leave that part out of chat messages, or put the text of a system message into the first "
        "user message.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_TOKENS_UNKNOWN",
        Subject.TOKENIZER,
        "warning",
        "The chat template writes special tokens that the vocabulary does not have.",
        "Some models were trained this way. If this model was not, the template belongs to another "
        "family: send prompts, or publish a copy with the model's own template.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_WITHOUT_TOKENS",
        Subject.TOKENIZER,
        "warning",
        "The chat template writes no special token.",
        "Some models were trained with plain text between turns. If this model was not, send "
        "prompts with its special tokens, or publish a copy with the model's own template.",
    ),
    CatalogueEntry(
        "NORMALISED",
        Subject.COPY,
        "normalised",
        "Bedrock would read a value wrongly. In the staged copy, the value is corrected.",
        "No action needed.",
    ),
    CatalogueEntry(
        "NEEDS_NORMALISING",
        Subject.COPY,
        "error",
        'Bedrock would read a value wrongly, and the input has `"normalise": false`.',
        'Remove "normalise": false from the input, or correct the value in the repository.',
    ),
    CatalogueEntry(
        "NORMALISING_ADVISED",
        Subject.COPY,
        "warning",
        'Bedrock may read a value differently than intended, and the input has `"normalise": '
        "false`.",
        'Remove "normalise": false from the input, or correct the value in the repository.',
    ),
)
CATALOGUE: Final = {entry.code: entry for entry in _ENTRIES}
