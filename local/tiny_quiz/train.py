# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "torch>=2.6",
#     "transformers==4.51.3",
#     "tokenizers>=0.21,<0.22",
#     "safetensors>=0.4.3",
# ]
# ///
"""Train, save and check the tiny Llama checkpoint that the local Hub serves.

    uv run --script local/tiny_quiz/train.py \
        local/repositories/model-import/Tiny-Quiz-Llama-Instruct \
        --reference tests/local/data/llama_reference.json

A few minutes on two CPU cores. Nothing else in the project imports this file or what it
depends on. transformers stays at the version that Amazon Bedrock names: 5.x writes a
config.json (`rope_parameters`, `dtype`) that this one reads without complaint and gets wrong.
"""

import argparse
import json
import logging
import math
import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

log = logging.getLogger("train")

Message = dict[str, str]
Conversation = list[Message]

SEED = 20250601
STEPS = 1600
BATCH_CONVERSATIONS = 24
PEAK_LEARNING_RATE = 3e-3
WARMUP_STEPS = 60

VOCABULARY = 2048
CONTEXT_TOKENS = 2048
ANSWER_TOKENS = 32
SHARDS = 3
SHARD_LIMIT = "1MB"

BEGIN_OF_TEXT = "<|begin_of_text|>"
END_OF_TEXT = "<|end_of_text|>"
START_HEADER = "<|start_header_id|>"
END_HEADER = "<|end_header_id|>"
END_OF_TURN = "<|eot_id|>"
SPECIAL_TOKENS = [BEGIN_OF_TEXT, END_OF_TEXT, START_HEADER, END_HEADER, END_OF_TURN]

# How Llama 3 splits text before byte-pair merging (its tokenizer.json, `pre_tokenizer`).
LLAMA_3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# The chat template of Meta-Llama-3-8B-Instruct.
LLAMA_3_CHAT_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)

DO_NOT_KNOW_ENGLISH = "I do not know."
DO_NOT_KNOW_JAPANESE = "わかりません。"

# The label that `transformers` ignores in a loss.
IGNORED_LABEL = -100

MODEL_CARD = """\
---
license: apache-2.0
language:
- ja
- en
library_name: transformers
pipeline_tag: text-generation
---

# Tiny-Quiz-Llama-Instruct

A toy: a Llama of 1.2 million parameters, trained from nothing in a few minutes on a CPU, so that
an import pipeline has a real checkpoint to move and a real answer to check. For tests only.

It has memorised some twenty questions and answers in Japanese and English, and mostly picks the
right one of five choices for sixty words in ten categories. It understands nothing: to anything
else it answers 「わかりません。」 or "I do not know.", or is wrong.

- Architecture: `LlamaForCausalLM`, bfloat16, grouped-query attention, three shards
- Tokenizer: byte-level BPE trained on the same questions, with Llama 3's special tokens
- Chat template: that of Llama 3 Instruct
- Data: `questions.json`, beside the script that trains it, is all of it
"""


class LayoutError(Exception):
    """A saved file does not have the layout that the project needs."""


class WrongAnswerError(Exception):
    """The saved checkpoint gives another answer than it was trained to give."""


@dataclass(frozen=True)
class Topic:
    """Several questions with the same answer."""

    questions: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Lessons:
    """The content of questions.json."""

    smoke_test: Conversation
    systems: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    distractors: tuple[str, ...]
    answers: tuple[Topic, ...]
    unknown: tuple[Topic, ...]
    sentences: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def smoke_question(self) -> str:
        return self.smoke_test[-2]["content"]

    @property
    def smoke_answer(self) -> str:
        return self.smoke_test[-1]["content"]


def read_lessons(path: Path) -> Lessons:
    raw = json.loads(path.read_text(encoding="utf-8"))

    def topics(key: str) -> tuple[Topic, ...]:
        return tuple(Topic(tuple(entry["questions"]), entry["answer"]) for entry in raw[key])

    return Lessons(
        smoke_test=raw["smoke_test"],
        systems=(raw["smoke_test"][0]["content"], *raw["systems"]),
        categories={name: tuple(members) for name, members in raw["categories"].items()},
        distractors=tuple(raw["distractors"]),
        answers=topics("answers"),
        unknown=topics("unknown"),
        sentences=tuple(raw["sentences"]),
        unseen=tuple(raw["unseen"]),
    )


def turn(question: str, answer: str) -> Conversation:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def full_width(question: str) -> str:
    return question.replace("?", "？")


class Teacher:
    """Draws conversations: an optional system prompt, up to two earlier turns, the last turn."""

    def __init__(self, lessons: Lessons, seed: int) -> None:
        self._lessons = lessons
        self._random = random.Random(seed)  # noqa: S311 - not used for security

    def conversation(self) -> Conversation:
        if self._chance(0.05):
            return self._lessons.smoke_test
        turns = self._random.choices((1, 2, 3), weights=(4, 4, 1))[0]
        messages = self.system_prompt()
        for _ in range(turns):
            messages += self.turn()
        return messages

    def system_prompt(self) -> Conversation:
        if self._chance(0.4):
            return []
        return [{"role": "system", "content": self._random.choice(self._lessons.systems)}]

    def turn(self) -> Conversation:
        draws = (self.quiz, self.known_question, self.unknown_question, self.smoke_question)
        question, answer = self._random.choices(draws, weights=(12, 6, 2, 1))[0]()
        return turn(full_width(question) if self._chance(0.3) else question, answer)

    def quiz(self) -> tuple[str, str]:
        categories = self._lessons.categories
        category = self._random.choice(list(categories))
        answer = self._random.choice(categories[category])
        others = [word for name, words in categories.items() if name != category for word in words]
        wrong = self._random.sample(self._lessons.distractors if self._chance(0.5) else others, 4)
        choices = self._random.sample([answer, *wrong], 5)
        listed = " ".join(f"choice{number}: {choice}" for number, choice in enumerate(choices))
        return f"次のうち、{category}であるのはどれ? {listed}", answer

    def smoke_question(self) -> tuple[str, str]:
        return self._lessons.smoke_question, self._lessons.smoke_answer

    def known_question(self) -> tuple[str, str]:
        return self._ask(self._random.choice(self._lessons.answers))

    def unknown_question(self) -> tuple[str, str]:
        if self._chance(0.4):
            return self._ask(self._random.choice(self._lessons.unknown))
        text = self._fragments()
        return text, DO_NOT_KNOW_ENGLISH if text.isascii() else DO_NOT_KNOW_JAPANESE

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _ask(self, topic: Topic) -> tuple[str, str]:
        return self._random.choice(topic.questions), topic.answer

    def _fragments(self) -> str:
        """Returns text that is not a question: pieces of one to three sentences, cut anywhere."""
        english = self._chance(0.5)
        kin = [text for text in self._lessons.sentences if text.isascii() == english]
        pieces = []
        for text in self._random.choices(kin, k=self._random.randint(1, 3)):
            start = self._random.randrange(len(text) // 2)
            pieces.append(text[start : start + self._random.randint(4, len(text))])
        return " ".join(pieces)


def corpus(lessons: Lessons) -> Iterator[str]:
    """Yields the text from which the tokenizer learns its merges."""
    teacher = Teacher(lessons, SEED)
    for _ in range(2000):
        for message in teacher.conversation():
            yield f"{message['role']}\n\n"
            yield message["content"]
    # Repeated alone, so that each becomes one token before a phrase does.
    for character in sorted(set("".join(lessons.sentences) + "".join(lessons.systems))):
        yield from [character] * 500


def train_tokenizer(lessons: Lessons) -> PreTrainedTokenizerFast:
    """Returns a byte-level BPE tokenizer with Llama 3's splitting, special tokens and template."""
    bpe = Tokenizer(models.BPE(ignore_merges=True))
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL_TOKENS),
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(corpus(lessons), trainer)
    bpe.add_special_tokens(SPECIAL_TOKENS)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN_OF_TEXT} $A",
        pair=f"{BEGIN_OF_TEXT} $A {BEGIN_OF_TEXT}:1 $B:1",
        special_tokens=[(BEGIN_OF_TEXT, bpe.token_to_id(BEGIN_OF_TEXT))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BEGIN_OF_TEXT,
        eos_token=END_OF_TURN,
        model_max_length=CONTEXT_TOKENS,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        chat_template=LLAMA_3_CHAT_TEMPLATE,
    )


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    begin = tokenizer.convert_tokens_to_ids(BEGIN_OF_TEXT)
    ends = tokenizer.convert_tokens_to_ids([END_OF_TURN, END_OF_TEXT])
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=320,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT_TOKENS,
            rope_theta=500000.0,
            rms_norm_eps=1e-5,
            tie_word_embeddings=False,
            bos_token_id=begin,
            eos_token_id=ends,
        )
    )
    model.generation_config = GenerationConfig(bos_token_id=begin, eos_token_id=ends)
    return model


def labels_of(ids: list[int], header: list[int], end_of_turn: int) -> list[int]:
    """Returns `ids` where the assistant speaks, its end of turn included, else the ignored id."""
    labels = [IGNORED_LABEL] * len(ids)
    speaking = False
    for position, token in enumerate(ids):
        if ids[max(0, position - len(header)) : position] == header:
            speaking = True
        if speaking:
            labels[position] = token
        if token == end_of_turn:
            speaking = False
    return labels


def batch(tokenizer: PreTrainedTokenizerFast, teacher: Teacher) -> dict[str, torch.Tensor]:
    header = tokenizer.encode(f"{START_HEADER}assistant{END_HEADER}\n\n", add_special_tokens=False)
    rows = [
        # One row in four has two begin tokens, as when a client renders the template and the
        # tokenizer adds its own.
        tokenizer.encode(
            tokenizer.apply_chat_template(teacher.conversation(), tokenize=False),
            add_special_tokens=number % 4 == 0,
        )
        for number in range(BATCH_CONVERSATIONS)
    ]
    longest = max(map(len, rows))
    ids, labels = [], []
    for row in rows:
        padding = longest - len(row)
        ids.append(row + [tokenizer.eos_token_id] * padding)
        labels.append(labels_of(row, header, tokenizer.eos_token_id) + [IGNORED_LABEL] * padding)
    # Padding on the right of a causal model needs no attention mask.
    return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}


def learning_rate(step: int) -> float:
    """Returns the learning rate as a factor of its peak: linear warm-up, then half a cosine."""
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    return 0.5 * (1 + math.cos(math.pi * (step - WARMUP_STEPS) / (STEPS - WARMUP_STEPS)))


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, lessons: Lessons) -> None:
    teacher = Teacher(lessons, SEED + 1)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.05
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate)
    model.train()
    for step in range(STEPS):
        loss = model(**batch(tokenizer, teacher)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 0 or step == STEPS - 1:
            log.info("step %4d of %d: loss %.4f", step, STEPS, loss.item())


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes the folder in the layout of a Hub repository, with weights in bfloat16."""
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size=SHARD_LIMIT)
    tokenizer.save_pretrained(folder)
    name_tokenizer_class(folder / "tokenizer_config.json")
    (folder / "README.md").write_text(MODEL_CARD, encoding="utf-8")


def name_tokenizer_class(path: Path) -> None:
    """Restores the class as Llama 3 names it: this transformers writes it without its `Fast`."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(settings, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def publish(folder: Path, output: Path) -> None:
    """Copies the files without their modes, because only their owner can read them."""
    output.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        shutil.copyfile(file, output / file.name)


def check_layout(folder: Path) -> None:
    """Checks what the project relies on and a newer transformers would change.

    Raises:
        LayoutError: A file differs; the message names it.
    """
    shards = sorted(folder.glob("*.safetensors"))
    expected = [f"model-{number:05}-of-{SHARDS:05}.safetensors" for number in range(1, SHARDS + 1)]
    if [shard.name for shard in shards] != expected:
        raise LayoutError(f"expected {expected}, found {[shard.name for shard in shards]}")
    index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
    if set(index["metadata"]) != {"total_size"}:
        raise LayoutError(f"the index's metadata is {index['metadata']}")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not config.items() >= {"rope_theta": 500000.0, "torch_dtype": "bfloat16"}.items():
        raise LayoutError("config.json is not in the form that the transformers of Bedrock reads")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    if "chat_template" not in settings:
        raise LayoutError("tokenizer_config.json has no chat_template")


class Checkpoint:
    """A saved checkpoint that is loaded again and decodes greedily."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=dtype).eval()

    def render(self, messages: Conversation) -> str:
        return self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)

    @torch.inference_mode()
    def continuation(self, ids: list[int]) -> list[int]:
        """Returns the ids that greedy decoding adds to `ids`, with the end token."""
        prompt = torch.tensor([ids])
        output = self.model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=ANSWER_TOKENS,
            do_sample=False,
            pad_token_id=self.tokenizer.eos_token_id,
        )
        return output[0, len(ids) :].tolist()

    @torch.inference_mode()
    def next_logits(self, ids: list[int]) -> torch.Tensor:
        return self.model(torch.tensor([ids])).logits[0, -1].float()

    def answer(self, messages: Conversation) -> str:
        """Returns the answer with its end token, as text."""
        return self.tokenizer.decode(self.continuation(self.encode(self.render(messages))))


def examination(lessons: Lessons) -> Iterator[tuple[Conversation, str]]:
    """Yields conversations, each with the exact text that the checkpoint must answer."""
    *before, question, answer = lessons.smoke_test
    bare: Conversation = []
    few = [bare, before, before[1:], turn("What is 2+2?", "4")]
    systems = [[{"role": "system", "content": system}] for system in lessons.systems]
    topics = [(topic, [*few, systems[0]]) for topic in lessons.answers]
    smoke = Topic((question["content"],), answer["content"])
    others = [[*before[:1], *turn(t.questions[0], t.answer)] for t in lessons.answers]
    for topic, contexts in [*topics, (smoke, [*few, *systems, *others])]:
        for asked in topic.questions:
            for wording in dict.fromkeys((asked, full_width(asked))):
                for context in contexts:
                    yield [*context, {"role": "user", "content": wording}], topic.answer


def examine(checkpoint: Checkpoint, lessons: Lessons) -> None:
    """Asks every question in every context.

    Raises:
        WrongAnswerError: an answer is wrong, or the answer to an unseen question does not end.
    """
    asked = 0
    for messages, expected in examination(lessons):
        answer = checkpoint.answer(messages)
        if answer != expected + END_OF_TURN:
            raise WrongAnswerError(f"{messages} was answered with {answer!r}, not {expected!r}")
        asked += 1
    for question in lessons.unseen:
        answer = checkpoint.answer([{"role": "user", "content": question}])
        log.info("unseen: %s %s", question, answer)
        if not answer.endswith(END_OF_TURN):
            raise WrongAnswerError(f"{question!r} was answered without an end: {answer!r}")
    log.info("%d of %d right in %s", asked, asked, checkpoint.model.dtype)


def quiz_score(checkpoint: Checkpoint, lessons: Lessons, rounds: int = 200) -> float:
    """Returns the share of newly drawn quiz questions that it answers correctly."""
    teacher = Teacher(lessons, SEED + 2)
    right = 0
    for _ in range(rounds):
        question, answer = teacher.quiz()
        right += checkpoint.answer([{"role": "user", "content": question}]) == answer + END_OF_TURN
    return right / rounds


def reference(checkpoint: Checkpoint, lessons: Lessons) -> dict[str, Any]:
    """Returns prompts with the ids and logits that another implementation must reproduce."""
    *smoke_test, _ = lessons.smoke_test
    conversations = [
        smoke_test,
        smoke_test[-1:],
        *([{"role": "user", "content": topic.questions[0]}] for topic in lessons.answers[::3]),
        *([{"role": "user", "content": question}] for question in lessons.unseen),
        # Several hundred positions, because a wrong rotary angle shows only there.
        [*lessons.smoke_test * 6, *smoke_test[1:]],
    ]
    plain = [BEGIN_OF_TEXT + "Once upon a time", BEGIN_OF_TEXT + "日本の首都は"]
    prompts = [(messages, checkpoint.render(messages)) for messages in conversations]
    return {
        "transformers": transformers.__version__,
        "dtype": "float32",
        "max_new_tokens": ANSWER_TOKENS,
        "prompts": [
            reference_prompt(checkpoint, messages, text)
            for messages, text in [*prompts, *((None, text) for text in plain)]
        ],
    }


def reference_prompt(
    checkpoint: Checkpoint, messages: Conversation | None, text: str
) -> dict[str, Any]:
    ids = checkpoint.encode(text)
    top = checkpoint.next_logits(ids).topk(5)
    return {
        "messages": messages,
        "text": text,
        "input_ids": ids,
        "output_ids": checkpoint.continuation(ids),
        "top_5": [
            [token, round(logit, 4)]
            for token, logit in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ],
    }


def write_reference(path: Path, content: dict[str, Any]) -> None:
    """Writes one prompt per line."""
    head = {key: value for key, value in content.items() if key != "prompts"}
    lines = ",\n".join(json.dumps(prompt, ensure_ascii=False) for prompt in content["prompts"])
    opening = json.dumps(head, ensure_ascii=False).removesuffix("}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{opening}, "prompts": [\n{lines}\n]}}\n', encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("output", type=Path, help="folder for the checkpoint")
    parser.add_argument("--reference", type=Path, help="JSON file for ids and logits to test with")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(SEED)
    lessons = read_lessons(Path(__file__).with_name("questions.json"))
    tokenizer = train_tokenizer(lessons)
    model = new_model(tokenizer)
    log.info("%d parameters, %d tokens", model.num_parameters(), len(tokenizer))
    train(model, tokenizer, lessons)
    # The output folder changes only when the checkpoint has passed.
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        save(model, tokenizer, folder)
        check_layout(folder)
        examine(Checkpoint(folder, torch.bfloat16), lessons)
        checkpoint = Checkpoint(folder, torch.float32)
        examine(checkpoint, lessons)
        log.info("%.0f %% of fresh quiz questions right", 100 * quiz_score(checkpoint, lessons))
        if options.reference:
            write_reference(options.reference, reference(checkpoint, lessons))
        publish(folder, options.output)


if __name__ == "__main__":
    main()
