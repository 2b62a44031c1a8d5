"""The file names of a model, as transformers writes them."""

from typing import Final

CONFIG: Final = "config.json"
GENERATION: Final = "generation_config.json"
SINGLE: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
TOKENIZER: Final = "tokenizer.json"
SPECIAL_TOKENS: Final = "special_tokens_map.json"
PROCESSOR: Final = "processor_config.json"
IMAGE_PROCESSOR: Final = "preprocessor_config.json"
