"""Every code that a finding may have, with its cause and its remedy: the only list of them.

docs/findings.md is written from here by `make generate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

type Severity = Literal["error", "normalised", "warning"]


class Subject(StrEnum):
    """What a finding is about, in the order in which a person reads of it."""

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
    """A code: what it means, and what to do wherever a finding does not know better."""

    code: str
    subject: Subject
    severity: Severity
    cause: str
    remedy: str


_OTHER_SAVE: Final = (
    "Index and shards are of different saves: choose another revision, or ask the publisher to "
    "upload them together."
)
_OTHER_MODEL: Final = (
    "config.json and the weights are of different models or saves: choose another revision, or "
    "ask the publisher to upload them together."
)
_UPLOAD_AGAIN: Final = (
    "The upload was cut or mixed up: ask the publisher to upload the file again, or choose another "
    "revision."
)
_UNQUANTISED: Final = (
    "Give the repository of the unquantised weights, or publish them converted to BF16."
)
_SUPPORTED_REGION: Final = "Deploy the stack in one of the Regions named."

_OTHER_LICENCE: Final = (
    "Choose a model of another licence, or have whoever answers for the list change it: "
    "LicencesAllowed and LicencesDenied of the stack, --allow-licence and --deny-licence of the "
    "command."
)

_ENTRIES: Final = (
    CatalogueEntry(
        "REGION_UNSUPPORTED",
        Subject.REGION,
        "error",
        "Custom Model Import does not exist in the Region.",
        _SUPPORTED_REGION,
    ),
    CatalogueEntry(
        "ARCH_REGION",
        Subject.REGION,
        "error",
        "Bedrock imports the family, but not in this Region.",
        _SUPPORTED_REGION,
    ),
    CatalogueEntry(
        "MODEL_NAME_TAKEN",
        Subject.ACCOUNT,
        "error",
        "Another model of the account, or one that is being imported, has the name.",
        "Give another model_name, or delete the model that has it if nobody uses it.",
    ),
    CatalogueEntry(
        "MODEL_QUOTA_FULL",
        Subject.ACCOUNT,
        "error",
        "The account has as many imported models as its quota allows; those being imported count.",
        "Delete a model that nobody uses (aws bedrock delete-imported-model --model-identifier "
        "NAME), or have the quota raised in Service Quotas.",
    ),
    CatalogueEntry(
        "PERMISSION_MISSING",
        Subject.ACCOUNT,
        "error",
        "IAM does not allow a call without which nobody can tell whether the model was imported "
        "before. In `model-import check` it is a warning: the stack may be allowed more.",
        "Allow the action to the role or user that runs this.",
    ),
    CatalogueEntry(
        "ACCOUNT_NOT_CHECKED",
        Subject.ACCOUNT,
        "warning",
        "There are no AWS credentials, or none that AWS takes: names, quotas and running imports "
        "are not known.",
        "To check them now, run this with AWS credentials of the account of the stack.",
    ),
    CatalogueEntry(
        "IMPORT_SLOT_TAKEN",
        Subject.ACCOUNT,
        "warning",
        "As many import jobs are running as the account may have at a time.",
        "Nothing is to be done: an execution moves the weights meanwhile, and will wait for the "
        "slot.",
    ),
    CatalogueEntry(
        "MODEL_ALREADY_IMPORTED",
        Subject.ACCOUNT,
        "warning",
        "The same commit of the repository was imported before.",
        "Use it. For a copy beside it, which takes a slot and is billed for storage, give a "
        "model_name of its own.",
    ),
    CatalogueEntry(
        "MODEL_BEING_IMPORTED",
        Subject.ACCOUNT,
        "warning",
        "The same commit of the repository is being imported.",
        "Nothing is to be done.",
    ),
    CatalogueEntry(
        "MODEL_IMPORTED_BY_ANOTHER_NAME",
        Subject.ACCOUNT,
        "warning",
        "The same commit was imported before, and a model_name was given that is another.",
        "Leave model_name out to use the model that there is: a second one takes a slot and is "
        "billed for storage.",
    ),
    CatalogueEntry(
        "QUOTA_UNREADABLE",
        Subject.ACCOUNT,
        "warning",
        "IAM does not allow to read a quota of the account, and the default was assumed.",
        "Allow the action to the role or user that runs this.",
    ),
    CatalogueEntry(
        "FILE_MISSING",
        Subject.REPOSITORY,
        "error",
        "A file that Bedrock requires is not at the root of the repository.",
        "Save the model and its tokenizer with transformers' save_pretrained, which writes it (a "
        "fast tokenizer writes tokenizer.json).",
    ),
    CatalogueEntry(
        "WEIGHTS_MISSING",
        Subject.REPOSITORY,
        "error",
        "The repository has no weights of any kind.",
        "Check the repository id: this may be a tokenizer or an empty repository.",
    ),
    CatalogueEntry(
        "WEIGHTS_ADAPTER_ONLY",
        Subject.REPOSITORY,
        "error",
        "The repository holds a LoRA adapter and not the model that it adapts.",
        "Merge it into its base model with peft's merge_and_unload, and publish the merged model.",
    ),
    CatalogueEntry(
        "WEIGHTS_DIFFUSERS",
        Subject.REPOSITORY,
        "error",
        "The repository is a pipeline of diffusers, which makes images.",
        "Custom Model Import takes language models only.",
    ),
    CatalogueEntry(
        "WEIGHTS_ELSEWHERE",
        Subject.REPOSITORY,
        "error",
        "There are safetensors files, and none under the name that transformers loads.",
        "Save the model with save_pretrained, which names the files so.",
    ),
    CatalogueEntry(
        "WEIGHTS_GGUF_ONLY",
        Subject.REPOSITORY,
        "error",
        "The weights are GGUF files, the format of llama.cpp.",
        "Give the repository of the original weights; GGUF names it as its base model.",
    ),
    CatalogueEntry(
        "WEIGHTS_NOT_SAFETENSORS",
        Subject.REPOSITORY,
        "error",
        "The weights are pickled PyTorch, TensorFlow or Flax files, which Bedrock does not read.",
        "Convert them with https://huggingface.co/spaces/safetensors/convert, which opens a pull "
        "request: its revision (refs/pr/N) can be given here.",
    ),
    CatalogueEntry(
        "WEIGHTS_TOO_LARGE",
        Subject.REPOSITORY,
        "error",
        "The weights have more bytes than Bedrock takes.",
        "Choose a smaller model of the family.",
    ),
    CatalogueEntry(
        "WEIGHTS_TWICE",
        Subject.REPOSITORY,
        "warning",
        "Beside the weights in a single file lie shards: a second copy of them, or another model.",
        "Nothing is to be done if they are the same; if not, give a revision that has only the one "
        "that is meant.",
    ),
    CatalogueEntry(
        "FILE_TOO_LARGE",
        Subject.REPOSITORY,
        "error",
        "A file beside the weights is larger than any that a model has there.",
        "Ask the publisher what is in it, and give a revision without it.",
    ),
    CatalogueEntry(
        "FILE_UNSAFE",
        Subject.REPOSITORY,
        "error",
        "The Hub's scanners call a file unsafe that would be copied, or that is the model's code.",
        "Read the scanners' report on the repository's page, and give a revision that they have "
        "nothing against.",
    ),
    CatalogueEntry(
        "FILE_SUSPECT",
        Subject.REPOSITORY,
        "warning",
        "The Hub's scanners have something against a file that is not copied, or are not certain "
        "of one that is.",
        "Read the scanners' report on the repository's page before trusting its publisher.",
    ),
    CatalogueEntry(
        "EMBEDDING_MODEL",
        Subject.REPOSITORY,
        "error",
        "The repository is published for sentence-transformers, as an embedding model.",
        "Choose the generating model of the family; for embeddings, one that Bedrock offers "
        "itself.",
    ),
    CatalogueEntry(
        "USE_OTHER",
        Subject.REPOSITORY,
        "warning",
        "The model is published for another use than generating text.",
        "Make sure that it answers in words: a classifier, a reranker or an embedding model may "
        "import, and is of no use then.",
    ),
    CatalogueEntry(
        "LICENCE_NOT_ALLOWED",
        Subject.REPOSITORY,
        "error",
        "The licence is not among those that are allowed, or the repository names none.",
        _OTHER_LICENCE,
    ),
    CatalogueEntry(
        "LICENCE_DENIED",
        Subject.REPOSITORY,
        "error",
        "The licence is among those that are denied.",
        _OTHER_LICENCE,
    ),
    CatalogueEntry(
        "LICENCE_UNKNOWN",
        Subject.REPOSITORY,
        "warning",
        "The repository names no licence.",
        "Look at the repository's page, and ask the publisher before serving the model.",
    ),
    CatalogueEntry(
        "CUSTOM_CODE",
        Subject.REPOSITORY,
        "warning",
        "The repository brings code of its own, of which Bedrock runs none.",
        "Make sure that the model works in transformers with trust_remote_code off.",
    ),
    CatalogueEntry(
        "ARCH_UNSUPPORTED",
        Subject.ARCHITECTURE,
        "error",
        "The model is of a family that Bedrock does not import.",
        "Choose a model of one of the families named; others cannot be imported.",
    ),
    CatalogueEntry(
        "ARCH_CLASS_UNSUPPORTED",
        Subject.ARCHITECTURE,
        "error",
        "The family can be imported, and this class of it cannot.",
        "A classifier, a reward model or an embedding model of the family has another head and "
        "cannot be imported: choose the generating model.",
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
        "A size in config.json is none that a model can have.",
        "Ask the publisher to upload the config.json that was saved with the weights.",
    ),
    CatalogueEntry(
        "CONTEXT_UNKNOWN",
        Subject.CONFIGURATION,
        "error",
        "config.json states no context length, which Bedrock checks.",
        "Ask the publisher to complete config.json.",
    ),
    CatalogueEntry(
        "CONTEXT_TOO_LONG",
        Subject.CONFIGURATION,
        "error",
        "The model takes more tokens of context than Bedrock accepts.",
        "Publish a copy whose config.json states a shorter context, if the model works with one, "
        "and import that.",
    ),
    CatalogueEntry(
        "ROPE_OVERRIDDEN",
        Subject.CONFIGURATION,
        "warning",
        "Bedrock serves the model with another scaling of positions than it was trained with.",
        "Short prompts are answered as they should be; test long ones before relying on them.",
    ),
    CatalogueEntry(
        "ROPE_FACTOR_IGNORED",
        Subject.CONFIGURATION,
        "warning",
        "The transformers that Bedrock names scales positions by another factor than "
        "config.json states.",
        "Prompts beyond the original length are answered worse than the publisher means: publish "
        "a copy whose max_position_embeddings is the factor times the original, or keep prompts "
        "short.",
    ),
    CatalogueEntry(
        "QUANTISED",
        Subject.PRECISION,
        "error",
        "config.json says that the weights are quantised.",
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
        "Tensors in the weights are of a data type that Bedrock does not import.",
        _UNQUANTISED,
    ),
    CatalogueEntry(
        "TENSOR_DTYPE_MIXED",
        Subject.PRECISION,
        "error",
        "Tensors of one layer are F16 and BF16: of the same size, so that a wrong one is read as "
        "other numbers.",
        "Choose another revision, or ask the publisher in which the model was trained, and to save "
        "it in that.",
    ),
    CatalogueEntry(
        "INDEX_MISSING",
        Subject.WEIGHTS,
        "error",
        "There are shards of weights, and no index that says what is in them.",
        "Save the model again with save_pretrained, which writes the index.",
    ),
    CatalogueEntry(
        "INDEX_INVALID",
        Subject.WEIGHTS,
        "error",
        "The index is no JSON object with a weight_map of tensor names to file names.",
        "Save the model again with save_pretrained.",
    ),
    CatalogueEntry(
        "INDEX_PATH_INVALID",
        Subject.WEIGHTS,
        "error",
        "The index names what is no plain name of a file of weights beside it.",
        "Save the model again with save_pretrained, which names the shards itself.",
    ),
    CatalogueEntry(
        "INDEX_TOTAL_SIZE",
        Subject.WEIGHTS,
        "warning",
        "The index states another size of all tensors than the shards have. Nothing loads by it, "
        "and published ones count shared tensors or another data type.",
        "Nothing is to be done: index and shards agree in the rest, or there are findings of it.",
    ),
    CatalogueEntry(
        "INDEX_TENSOR_MISSING",
        Subject.WEIGHTS,
        "error",
        "The index puts tensors into shards that do not have them.",
        _OTHER_SAVE,
    ),
    CatalogueEntry(
        "INDEX_TENSOR_UNNAMED",
        Subject.WEIGHTS,
        "error",
        "Shards have tensors that the index does not put there.",
        _OTHER_SAVE,
    ),
    CatalogueEntry(
        "SHARD_MISSING",
        Subject.WEIGHTS,
        "error",
        "The index names a shard that the repository does not have.",
        "Choose a revision that is complete, or ask the publisher to upload it.",
    ),
    CatalogueEntry(
        "SHARD_NOT_IN_INDEX",
        Subject.WEIGHTS,
        "warning",
        "A file is named as a shard, and the index puts no tensor into it: it is not copied.",
        "Ask the publisher which is stale, the index or the shard, and to remove it.",
    ),
    CatalogueEntry(
        "SHARD_TRUNCATED",
        Subject.WEIGHTS,
        "error",
        "A file of weights ends before its header says.",
        _UPLOAD_AGAIN,
    ),
    CatalogueEntry(
        "SHARD_OVERLONG",
        Subject.WEIGHTS,
        "error",
        "A file of weights goes on after its header says that it ends.",
        _UPLOAD_AGAIN,
    ),
    CatalogueEntry(
        "HEADER_INVALID",
        Subject.WEIGHTS,
        "error",
        "A file of weights does not begin with a header as safetensors defines it.",
        "Ask the publisher to upload the file again.",
    ),
    CatalogueEntry(
        "HEADER_FORMAT_UNKNOWN",
        Subject.WEIGHTS,
        "error",
        "A file of weights has metadata that give no format, or one that transformers refuses.",
        "Save the model again with save_pretrained, which writes the format.",
    ),
    CatalogueEntry(
        "HEADERS_TOO_LARGE",
        Subject.WEIGHTS,
        "error",
        "The headers of the weights together are several times those of the largest model.",
        "Save the model again with save_pretrained, which writes no more than it needs.",
    ),
    CatalogueEntry(
        "TENSOR_TWICE",
        Subject.WEIGHTS,
        "error",
        "A tensor lies in two files, and which of them is loaded is left to chance.",
        "The shards are of different saves: choose another revision, or ask the publisher to "
        "upload them together.",
    ),
    CatalogueEntry(
        "TENSOR_MISSING",
        Subject.TENSORS,
        "error",
        "Tensors of the model that config.json describes are in no file.",
        _OTHER_MODEL,
    ),
    CatalogueEntry(
        "TENSOR_UNEXPECTED",
        Subject.TENSORS,
        "error",
        "The weights have tensors that the model has no place for: an adapter left in, merged "
        "projections, quantised weights, another head, more layers.",
        _OTHER_MODEL,
    ),
    CatalogueEntry(
        "TENSOR_SHAPE",
        Subject.TENSORS,
        "error",
        "Tensors have another shape than config.json gives them.",
        _OTHER_MODEL,
    ),
    CatalogueEntry(
        "TOKENIZER_INVALID",
        Subject.TOKENIZER,
        "error",
        "A file of the tokenizer is not a JSON object, or tokenizer.json has no vocabulary.",
        "Save the tokenizer again with save_pretrained.",
    ),
    CatalogueEntry(
        "TOKENIZER_CLASS_UNSUPPORTED",
        Subject.TOKENIZER,
        "error",
        "The tokenizer is of a class that Bedrock does not know.",
        "Where tokenizer.json holds the whole tokenizer, publish a copy whose tokenizer_class is "
        "PreTrainedTokenizerFast, which reads it as it is.",
    ),
    CatalogueEntry(
        "VOCABULARY_TOO_LARGE",
        Subject.TOKENIZER,
        "error",
        "The tokenizer has tokens for which the embedding has no row.",
        "Tokenizer and weights are of different models, or the embedding was not resized for added "
        "tokens: ask the publisher to save them together.",
    ),
    CatalogueEntry(
        "TOKENIZER_FILES_DISAGREE",
        Subject.TOKENIZER,
        "warning",
        "tokenizer_config.json and tokenizer.json give a token different ids.",
        "One of the files is of another model: compare with the publisher's base model, and ask "
        "the model a question before relying on it.",
    ),
    CatalogueEntry(
        "SPECIAL_TOKEN_UNKNOWN",
        Subject.TOKENIZER,
        "warning",
        "A special token is not in the vocabulary, and is added to it whenever it is loaded.",
        "A text with the token in it fails or is read wrongly: harmless for padding, and not for "
        "what begins or ends a text. Ask the publisher to save the tokenizer again.",
    ),
    CatalogueEntry(
        "TOKEN_ID_INVALID",
        Subject.TOKENIZER,
        "error",
        "The id of a special token is no number, or one for which the embedding has no row.",
        "The file is of another model, or was edited by hand: ask the publisher to save model and "
        "tokenizer together.",
    ),
    CatalogueEntry(
        "TOKEN_ID_UNUSED",
        Subject.TOKENIZER,
        "warning",
        "The id of a special token is the one that transformers writes where none was given, and "
        "the vocabulary does not reach it.",
        "The model never meets this id: what matters is that its tokenizer knows the token that "
        "is meant.",
    ),
    CatalogueEntry(
        "TOKEN_IDS_DISAGREE",
        Subject.TOKENIZER,
        "warning",
        "The configuration means another special token than the tokenizer.",
        "A prompt is cut by the tokenizer, so its token counts: compare with the publisher's base "
        "model if answers are poor.",
    ),
    CatalogueEntry(
        "ANSWER_NOT_ENDED",
        Subject.TOKENIZER,
        "warning",
        "The tokenizer or the chat template ends an answer with a token at which generation does "
        "not stop.",
        "An answer may go on to the token limit: send the token as a stop sequence, or publish a "
        "copy that has its id there. A base model does not end its texts.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_MISSING",
        Subject.TOKENIZER,
        "warning",
        "There is no chat template, so that the model takes prompts and no chat messages.",
        "Send prompts with the model's special tokens, or publish one with a template.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_UNDECIDED",
        Subject.TOKENIZER,
        "warning",
        "There are several chat templates, and none is called default.",
        "Chat messages and Converse fail: send prompts, or publish a copy with the template that "
        "is meant.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_INVALID",
        Subject.TOKENIZER,
        "warning",
        "The chat template cannot write even one user message.",
        "The model imports and answers prompts; chat messages and Converse fail. Publish a copy "
        "with a template that works.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_LIMITED",
        Subject.TOKENIZER,
        "warning",
        "The chat template refuses, or leaves out, a part of a conversation that Bedrock may hand "
        "to it.",
        "Leave that out of chat messages, or put a system message's text into the first user "
        "message.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_TOKENS_UNKNOWN",
        Subject.TOKENIZER,
        "warning",
        "The chat template writes special tokens that the vocabulary does not have.",
        "Some models were trained so. If this one was not, the template is of another family: "
        "send prompts, or publish a copy with the template of its own.",
    ),
    CatalogueEntry(
        "CHAT_TEMPLATE_WITHOUT_TOKENS",
        Subject.TOKENIZER,
        "warning",
        "The chat template writes no special token at all.",
        "Some models were trained with plain text between turns. If this one was not, send prompts "
        "with its special tokens, or publish a copy with its own template.",
    ),
    CatalogueEntry(
        "NORMALISED",
        Subject.COPY,
        "normalised",
        "Bedrock would read a value wrongly, and the staged copy has it put right.",
        "Nothing is to be done.",
    ),
    CatalogueEntry(
        "NEEDS_NORMALISING",
        Subject.COPY,
        "error",
        'Bedrock would read a value wrongly, and the input has `"normalise": false`.',
        'Leave "normalise" on, or change it.',
    ),
    CatalogueEntry(
        "NORMALISING_ADVISED",
        Subject.COPY,
        "warning",
        'Bedrock may read a value otherwise than it is meant, and the input has `"normalise": '
        "false`.",
        'Leave "normalise" on, or change it.',
    ),
)
CATALOGUE: Final = {entry.code: entry for entry in _ENTRIES}
