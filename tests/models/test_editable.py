"""An EditableModel knows where the answer starts, where its matrices are, and what its weights are."""

from pathlib import Path

import pytest
import torch

from monogram.errors import InputError, LayerError, UnsupportedModelError
from monogram.models.editable import EditableModel
from tests import tiny

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hé 🎉"}
ANSWER = {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize("kind", ["llama", "gpt2", "phi3", "gemma3_text"])
def test_sizes_come_from_the_model(kind: str) -> None:
    em = tiny.editable(kind)
    assert (em.num_layers, em.width, em.inner) == (tiny.LAYERS, tiny.WIDTH, tiny.INNER)
    assert (em.dtype, em.device.type, em.context) == (torch.float64, "cpu", 512)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "phi3"])
def test_matrices_are_outputs_by_inputs_however_they_are_stored(kind: str) -> None:
    em = tiny.editable(kind)
    assert em.matrix("down", 1).shape == (tiny.WIDTH, tiny.INNER)
    assert em.matrix("up", 1).shape == (tiny.INNER, tiny.WIDTH)
    if em.layout.gated:
        assert em.matrix("gate", 1).shape == (tiny.INNER, tiny.WIDTH)


@pytest.mark.parametrize("layer", [-1, tiny.LAYERS, 99])
def test_a_layer_that_is_not_there_is_named_with_those_that_are(layer: int) -> None:
    with pytest.raises(LayerError, match=rf"Layer {layer} .* layers 0 to 2"):
        tiny.editable().matrix("down", layer)


def test_a_matrix_that_the_mlp_has_not_is_refused() -> None:
    with pytest.raises(LayerError, match=r"no matrix 'gate' .* has down, up"):
        tiny.editable("gpt2").matrix("gate", 0)


def test_a_module_that_is_not_there_is_refused() -> None:
    with pytest.raises(LayerError, match=r"Module 'model\.layers\.9\.mlp' is not in model 'tiny-llama'"):
        tiny.editable().module("model.layers.9.mlp")


def test_the_digest_follows_the_weights_and_nothing_else() -> None:
    em, same, other = tiny.editable(), tiny.editable(chat=False), tiny.editable(seed=1)
    assert em.digest == same.digest != other.digest
    with torch.no_grad():
        em.matrix("down", 0)[0, 0] += 1e-9
    assert em.weights_digest() != em.digest == same.digest


def test_half_precision_weights_have_a_digest() -> None:
    assert tiny.editable(dtype=torch.bfloat16).digest != tiny.editable(dtype=torch.float32).digest


def test_a_string_is_one_message_of_the_user() -> None:
    em = tiny.editable()
    assert em.chat_ids(USER["content"]) == em.chat_ids([USER])


def test_the_answer_starts_right_after_the_prompt() -> None:
    em = tiny.editable()
    text = em.tokenizer.decode(em.chat_ids([SYSTEM, USER]))
    assert text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHé 🎉<|im_end|>\n<|im_start|>assistant\n"
    )


def test_without_a_template_the_plain_one_is_used() -> None:
    em = tiny.editable(chat=False)
    text = em.decode(em.chat_ids([SYSTEM, USER, ANSWER, USER]))
    assert text == "System: Be brief.\n\nUser: Hé 🎉\nAssistant: Yes.\nUser: Hé 🎉\nAssistant:"


def test_a_template_that_refuses_system_messages_gets_them_with_the_user() -> None:
    em = tiny.editable()
    em.tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        + tiny.TEMPLATE
    )
    folded = [{"role": "user", "content": "Be brief.\n\nHé 🎉"}]
    assert em.chat_ids([SYSTEM, USER]) == em.chat_ids(folded)


def test_a_conversation_that_the_template_refuses_is_an_input_error() -> None:
    em = tiny.editable()
    em.tokenizer.chat_template = "{{ raise_exception('turns must alternate') }}"
    with pytest.raises(InputError, match="turns must alternate"):
        em.chat_ids([USER])


@pytest.mark.parametrize(
    "messages", [[], [{"role": "tool", "content": "x"}], [{"role": "user"}], [{"content": "x"}]]
)
def test_conversations_that_make_no_sense_are_refused(messages: list[dict[str, str]]) -> None:
    with pytest.raises(InputError):
        tiny.editable().chat_ids(messages)


def test_an_answer_ends_at_any_end_that_the_model_knows() -> None:
    em = tiny.editable()
    em.model.generation_config.eos_token_id = [2, 7]
    assert em.eos_ids == {2, 7, 4}  # </s>, the settings' own, and the template's <|im_end|>


def test_loading_gives_what_was_saved(tmp_path: Path) -> None:
    em = tiny.editable(dtype=torch.float32)
    em.model.save_pretrained(tmp_path)
    em.tokenizer.save_pretrained(tmp_path)
    back = EditableModel.load(str(tmp_path))
    assert back.digest == em.digest
    assert back.chat_ids([SYSTEM, USER]) == em.chat_ids([SYSTEM, USER])
    assert EditableModel.load(str(tmp_path), dtype=torch.float64).dtype == torch.float64


def test_wrapping_a_mixture_of_experts_is_refused() -> None:
    with pytest.raises(UnsupportedModelError):
        tiny.editable("mixtral")


def test_half_a_surrogate_pair_is_an_input_error() -> None:
    for em in (tiny.editable(), tiny.editable(chat=False)):
        with pytest.raises(InputError, match=r"half a surrogate pair \(U\+DCFF\) as character 4"):
            em.chat_ids("Hé \udcff")
