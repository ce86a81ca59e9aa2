from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import vital
from vital.errors import ModelError, WeightsError

tf = pytest.importorskip("transformers")

SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
NAMES = {0: "cat", 1: "dog", 2: "owl"}


def saved(folder: Path, network: Any, processor: Any) -> str:
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return f"hf:{folder}"


def test_a_classifier_brings_its_preprocessing_and_class_names(tmp_path: Path) -> None:
    config = tf.ViTConfig(**VISION, id2label=NAMES, label2id={name: i for i, name in NAMES.items()})
    network = tf.ViTForImageClassification(config).eval()
    processor = tf.ViTImageProcessor(
        size={"height": 32, "width": 32}, image_mean=[0.4] * 3, image_std=[0.2] * 3
    )
    spec = saved(tmp_path, network, processor)
    model = vital.load_model(spec)
    assert (model.name, model.weights, model.classes) == (spec, spec, ("cat", "dog", "owl"))
    assert (model.size, model.resize, model.interpolation) == ((32, 32), None, "bilinear")
    picture = torch.rand(1, 3, 32, 32)
    given = processor(images=(picture * 255).round().byte(), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(model.normalize(picture), given, atol=0.02, rtol=0)
    with torch.no_grad():
        expected = network(model.normalize(picture)).logits
        assert torch.equal(model.module(model.normalize(picture)).logits, expected)
    layers = vital.list_layers(model)
    assert layers["class"].shape == (3,)
    assert {layer.prefix for layer in layers.values() if layer.shape == (16, 17)} == {1}
    assert vital.render(model, "class:owl", method="fourier", steps=1, progress=False)[0].status == "done"
    assert vital.load_model(spec, weights="random").weights == "random"


def test_an_image_text_network_is_taken_with_its_image_tower(tmp_path: Path) -> None:
    network = tf.CLIPModel(tf.CLIPConfig(text_config=SMALL, vision_config=VISION))
    processor = tf.CLIPImageProcessor(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32})
    model = vital.load_model(saved(tmp_path, network, processor))
    assert (model.size, model.resize, model.interpolation, model.classes) == ((32, 32), 36, "bicubic", ())
    assert "vision" in type(model.module).__name__.lower()
    assert vital.list_layers(model)["encoder.layers.0"].shape == (16, 17)


def test_names_that_are_made_up_are_none_and_small_convnexts_crop(tmp_path: Path) -> None:
    config = tf.ConvNextConfig(hidden_sizes=[4, 8, 8, 8], depths=[1, 1, 1, 1])
    processor = tf.ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.875)
    model = vital.load_model(saved(tmp_path, tf.ConvNextForImageClassification(config), processor))
    assert (model.size, model.resize, model.classes) == ((64, 64), 73, ())
    assert not any(layer.problem for layer in vital.list_layers(model).values())


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    network = tf.ViTForImageClassification(tf.ViTConfig(**VISION))
    state = {key: value for key, value in network.state_dict().items() if not key.startswith("classifier")}
    network.save_pretrained(tmp_path, state_dict=state)
    tf.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    with pytest.raises(
        WeightsError, match=r"does not fit its network: 2 weights are missing \(classifier\.bias, …\)$"
    ):
        vital.load_model(f"hf:{tmp_path}")


def test_a_folder_without_a_network_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"^the weights hf:\S+ are not cached here") as caught:
        vital.load_model(f"hf:{tmp_path}")
    assert "\n" not in str(caught.value)


def test_a_network_for_segmentation_brings_its_head(tmp_path: Path) -> None:
    config = tf.SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16], num_attention_heads=[1, 2],
        patch_sizes=[7, 3], strides=[4, 2], mlp_ratios=[2, 2], decoder_hidden_size=16,
        id2label=NAMES, label2id={name: i for i, name in NAMES.items()},
    )  # fmt: skip
    network = tf.SegformerForSemanticSegmentation(config)
    processor = tf.SegformerImageProcessor(size={"height": 32, "width": 32})
    model = vital.load_model(saved(tmp_path, network, processor))
    assert (model.classes, model.output) == (("cat", "dog", "owl"), "softmax")
    assert vital.list_layers(model)["class"].shape == (3, 8, 8)


def test_a_head_that_is_left_out_is_told(tmp_path: Path) -> None:
    config = tf.YolosConfig(**{**VISION, "image_size": [32, 32]}, num_detection_tokens=3)
    processor = tf.ViTImageProcessor(size={"height": 32, "width": 32})
    spec = saved(tmp_path, tf.YolosForObjectDetection(config), processor)
    with pytest.warns(UserWarning, match="is a YolosForObjectDetection and is taken without its head"):
        assert vital.load_model(spec).output == "embedding"


def test_the_size_that_a_network_is_built_for_is_read_and_told(tmp_path: Path) -> None:
    network = tf.ViTModel(tf.ViTConfig(**VISION), add_pooling_layer=False)
    assert vital.load_model(network).size == (32, 32)
    spec = saved(tmp_path, network, tf.ViTImageProcessor())
    with pytest.raises(
        ModelError, match=r"; it is built for 32 x 32: say size=\(32, 32\) \(--input-size 32\)$"
    ):
        vital.list_layers(vital.load_model(spec))
    assert vital.list_layers(vital.load_model(spec, size=32))["class"].shape == (16, 17)
