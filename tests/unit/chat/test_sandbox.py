"""A chat template is somebody else's program: what it may do, and that nothing it does hurts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from model_import.chat.sandbox import Budget, Conversation, Rendering, render_bounded

ASKED = Conversation([{"role": "user", "content": "金管?"}])
SMALL = Budget(processor_seconds=0.2, memory_bytes=128_000_000, characters=10_000)
MEASURES = "{{ messages | length }}{% if add_generation_prompt %}…{% endif %}"

ENDLESS = {
    "nested loops": "{% for a in range(99999) %}{% for b in range(99999) %}"
    "{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
    "a power": "{{ 9 ** (9 ** 9) }}",
    "a power of constants that the compiler folds": "{% set a = 7 ** 99999999 %}",
    "doubled text": "{% set n = namespace(t='x') %}{% for i in range(99) %}"
    "{% set n.t = n.t ~ n.t %}{% endfor %}",
    "repeated text": "{{ 'x' * 9999999999 }}",
    "padded text": "{{ 'x' | center(9999999999) }}",
    "a padded format": "{{ '%9999999999d' % 1 }}",
    "a list": "{{ [messages] * 9999999999 }}",
    "replaced text": "{{ 'x'.replace('', 'y' * 9999999).replace('', 'y' * 9999999) }}",
    "a macro that calls itself": "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "a loop that calls itself": "{% for a in [1] recursive %}{{ loop([1, 1]) }}{% endfor %}",
    "parentheses": "{{ " + "(" * 100_000 + "1" + ")" * 100_000 + " }}",
    "blocks": "{% if 1 %}" * 10_000 + "{% endif %}" * 10_000,
    "more than a model reads": "{{ 'x' * 20000 }}",
}
OUT_OF_THE_SANDBOX = {
    "the classes": "{{ ''.__class__.__mro__ }}",
    "the globals": "{{ cycler.__init__.__globals__ }}",
    "a format's attributes": "{{ '{0.__class__.__mro__}'.format('') }}",
    "a format found by the attr filter": "{{ ('{0.__class__}' | attr('format'))('') }}",
    "a change of what it is given": "{{ messages.append(1) }}",
    "a file": "{% include '/etc/passwd' %}",
    "another template": "{% extends 'base' %}",
}


def render(source: str, *conversations: Conversation) -> list[Rendering]:
    return render_bounded(source, {"bos_token": "<s>"}, conversations or [ASKED], SMALL)


def test_each_conversation_is_rendered_as_transformers_does() -> None:
    source = (
        "{{ bos_token }}{% for m in messages %}\n    {% if 1 %}\n{{ m | tojson }}{% endif %}\n"
        "{% endfor %}…"
    )
    told = Conversation([*ASKED.messages, {"role": "assistant", "content": "チューバ"}])
    assert render(source, ASKED, told) == [
        Rendering('<s>{"role": "user", "content": "金管?"}…'),
        Rendering(
            '<s>{"role": "user", "content": "金管?"}{"role": "assistant", "content": "チューバ"}…'
        ),
    ]


def test_a_template_knows_whether_an_answer_is_to_follow() -> None:
    assert render(MEASURES, ASKED, Conversation(ASKED.messages, asking=False)) == [
        Rendering("1…"),
        Rendering("1"),
    ]


def test_what_a_template_may_need_from_files_is_there() -> None:
    source = r"{{ '\N{BULLET}' }}{{ strftime_now('%Y') | length }}{{ [] | pprint }}{{ lipsum(1) }}"
    (rendering,) = render(source)
    assert rendering.failure is None
    assert rendering.text.startswith("•4[]<p>")


def test_half_a_surrogate_pair_comes_back() -> None:
    assert render("{{ '\ud800' }}") == [Rendering("\ud800")]


def test_a_template_that_refuses_one_conversation_may_take_the_next() -> None:
    source = "{% if messages | length > 1 %}{{ raise_exception('One only') }}{% endif %}one"
    two = Conversation([*ASKED.messages, *ASKED.messages])
    assert render(source, two, ASKED) == [Rendering(failure="One only"), Rendering("one")]


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
def test_a_template_that_would_take_everything_is_ended(source: str) -> None:
    (rendering,) = render(source)
    assert rendering.text == ""
    assert rendering.failure


def test_what_was_rendered_before_the_end_is_kept() -> None:
    source = f"{{% if messages | length > 1 %}}{ENDLESS['nested loops']}{{% endif %}}one"
    two = Conversation([*ASKED.messages, *ASKED.messages])
    first, second, third = render(source, ASKED, two, ASKED)
    assert first == Rendering("one")
    assert second.failure
    assert third.failure


@pytest.mark.parametrize("source", OUT_OF_THE_SANDBOX.values(), ids=OUT_OF_THE_SANDBOX)
def test_a_template_does_not_get_out_of_the_sandbox(source: str) -> None:
    (rendering,) = render(source)
    assert "class" not in rendering.text
    assert rendering.failure is not None or rendering.text == ""


def test_a_process_that_does_not_start_is_not_held_against_the_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(RuntimeError, match="No module named"):
        render("{{ 1 }}")


def test_a_template_finds_no_credentials_and_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    program = (
        "import os, socket; from model_import.chat.sandbox_process import _give_up_rights\n"
        "_give_up_rights(os.environ, 1.0, 256_000_000)\n"
        "for act in (lambda: open('/proc/self/environ'), socket.socket, os.environ.__getitem__):\n"
        "    try: act(*['AWS_SECRET_ACCESS_KEY'] * (act == os.environ.__getitem__))\n"
        "    except (OSError, KeyError) as error: print(type(error).__name__)\n"
    )
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run(command, capture_output=True, check=True, env=environment).stdout
    assert output.split() == [b"OSError", b"OSError", b"KeyError"]
