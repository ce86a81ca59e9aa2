import logging
import sys

import pytest
import torch
from safetensors.torch import save_file

from vital.errors import MissingDependencyError, ModelError, UnknownNameError, UsageError, WeightsError
from vital.models import load_model
from vital.models.outputs import count_outputs
from vital.models.published import building
from vital.utils.importing import misfit


def refusal(kind: type[Exception], *given, **options) -> str:
    with pytest.raises(kind) as caught:
        load_model(*given, **options)
    return str(caught.value)


@pytest.fixture
def hub_offline(monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))


def test_torchvision_preprocessing_and_names_are_those_of_the_weights():
    newest, first = (
        load_model(f"torchvision:mobilenet_v2{tag}", weights="random") for tag in ("", "/IMAGENET1K_V1")
    )
    assert (newest.size, newest.resize, first.resize) == ((224, 224), 232, 256)
    assert newest.mean == (0.485, 0.456, 0.406)
    assert newest.classes[281] == "tabby"
    assert count_outputs(newest) == len(newest.classes) == 1000
    assert newest.weights == "random"
    assert not newest.module.training


def test_torchvision_agrees_with_its_own_preprocessing():
    from PIL import Image
    from torchvision.models import MobileNet_V2_Weights

    torch.manual_seed(5)
    rough = torch.nn.functional.interpolate(torch.rand(1, 3, 9, 12), (300, 400), mode="bilinear")[0]
    picture = Image.fromarray((rough * 255).byte().movedim(0, -1).numpy())
    model = load_model("torchvision:mobilenet_v2", weights="random")
    theirs = MobileNet_V2_Weights.DEFAULT.transforms()(picture)
    ours = model.normalize(model.preprocess(picture)[None])[0]
    assert (ours - theirs).abs().max() < 0.02


def test_random_weights_are_the_same_for_the_same_seed_and_disturb_nothing():
    state = torch.get_rng_state()
    hashes = [
        load_model("torchvision:squeezenet1_1", weights="random", seed=s).weights_hash() for s in (0, 0, 1)
    ]
    assert hashes[0] == hashes[1] != hashes[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_a_state_dict_from_a_file_fits_a_torchvision_network(tmp_path):
    source = load_model("torchvision:squeezenet1_1", weights="random", seed=7)
    save_file({k: v.half() for k, v in source.module.state_dict().items()}, tmp_path / "w.safetensors")
    model = load_model("torchvision:squeezenet1_1", weights=tmp_path / "w.safetensors")
    weight = next(source.module.parameters())
    torch.testing.assert_close(next(model.module.parameters()), weight.half().float())
    assert model.weights == "w.safetensors"


def test_googlenet_transforms_its_input_with_any_weights():
    assert load_model("torchvision:googlenet", weights="random").module.transform_input


def test_transformers_are_built_for_the_size_of_the_named_weights():
    model = load_model("torchvision:vit_b_32", weights="random")
    assert (model.size, model.module.image_size) == ((224, 224), 224)


def test_segmentation_networks_are_offered_and_download_no_backbone():
    model = load_model("torchvision:lraspp_mobilenet_v3_large", weights="random", size=64)
    assert (model.size, len(model.classes), count_outputs(model)) == ((64, 64), 21, 21)


@pytest.mark.parametrize("name", ["raft_small", "r3d_18", "ssd300_vgg16", "quantized_resnet18"])
def test_networks_that_are_not_on_single_images_are_refused(name):
    assert refusal(ModelError, f"torchvision:{name}", weights="random") == (
        f"torchvision:{name} cannot be used; allowed are torchvision's classification and segmentation networks "
        "on single images, not quantized"
    )


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            "torchvision:resnt50",
            "unknown torchvision model 'resnt50'; did you mean 'resnet50' or 'resnet152' or 'resnet101'?",
        ),
        (
            "torchvision:resnet50/IMAGENET1K_V3",
            "unknown weights of torchvision:resnet50 'IMAGENET1K_V3'; did you mean 'IMAGENET1K_V2' or 'IMAGENET1K_V1'?",
        ),
    ],
)
def test_unknown_torchvision_names_answer_with_the_nearest(spec, sentence):
    assert refusal(UnknownNameError, spec) == sentence


def test_torchvision_without_a_network_says_which_weights_are_wanted(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    sentence = refusal(WeightsError, "torchvision:squeezenet1_1")
    assert sentence.startswith(
        "the weights torchvision:squeezenet1_1/IMAGENET1K_V1 are not cached here and the download failed ("
    )
    assert sentence.endswith("); give --weights FILE, or --weights random for random ones")
    assert "Traceback" not in capfd.readouterr().err


def test_timm_preprocessing_and_names_are_those_of_its_configuration():
    pytest.importorskip("timm")
    model = load_model("timm:mobilenetv3_small_050", weights="random")
    assert (model.size, model.resize, model.interpolation) == ((224, 224), 256, "bicubic")
    assert model.classes[:2] == ("tench, Tinca tinca", "goldfish, Carassius auratus")
    assert count_outputs(model) == 1000
    assert model.weights == "random"


def test_a_timm_module_says_what_a_timm_name_does():
    timm = pytest.importorskip("timm")
    named = load_model("timm:resnet18", weights="random")
    given = load_model(timm.create_model("resnet18"))
    assert given.preprocessing == named.preprocessing
    assert (given.mean, given.resize, given.interpolation) == ((0.485, 0.456, 0.406), 235, "bicubic")
    assert given.classes == named.classes
    wrapped = load_model(torch.nn.DataParallel(timm.create_model("resnet18", num_classes=7)), size=64)
    assert (wrapped.mean, wrapped.size, wrapped.classes) == ((0.485, 0.456, 0.406), (64, 64), ())
    with pytest.warns(
        UserWarning, match="^ResNet: its published mean and std are for 3 channels, not for 12, and"
    ):
        many = load_model(timm.create_model("resnet18", in_chans=12))
    assert (many.channels, many.mean) == (12, (0.0,))


def test_timm_networks_built_for_a_size_get_the_size_asked_for():
    pytest.importorskip("timm")
    model = load_model("timm:test_vit", weights="random", size=96)
    assert (model.size, count_outputs(model)) == ((96, 96), 1000)
    model = load_model("timm:test_resnet", weights="random", size=64)
    assert (model.size, count_outputs(model)) == ((64, 64), 1000)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("timm:renet18", "timm model 'renet18'; did you mean 'resnet18' or 'resnet18d' or 'skresnet18'?"),
        (
            "timm:resnet18.a1_in1",
            "weights of timm:resnet18 'a1_in1'; did you mean 'a1_in1k' or 'a3_in1k' or 'a2_in1k'?",
        ),
        ("open_clip:RN51", "open_clip model 'RN51'; did you mean 'RN50' or 'RN50x16' or 'RN101'?"),
        ("open_clip:RN50/openaii", "weights of open_clip:RN50 'openaii'; did you mean 'openai'?"),
    ],
)
def test_unknown_names_answer_with_the_nearest(spec, sentence):
    pytest.importorskip(spec.partition(":")[0])
    assert refusal(UnknownNameError, spec) == f"unknown {sentence}"


def test_timm_networks_without_weights_say_so():
    timm = pytest.importorskip("timm")
    bare = next(n for n in timm.list_models("resnet*") if not timm.list_pretrained(f"{n}.*"))
    assert (
        refusal(WeightsError, f"timm:{bare}")
        == f"timm has no weights for '{bare}'; give --weights FILE or --weights random"
    )


def test_timm_without_a_network_says_which_weights_are_wanted(hub_offline):
    pytest.importorskip("timm")
    sentence = refusal(WeightsError, "timm:test_resnet")
    assert sentence.startswith("the weights timm:test_resnet are not cached here and the download failed (")
    assert sentence.endswith("); give --weights FILE, or --weights random for random ones")


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    open_clip = pytest.importorskip("open_clip")
    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-test.json").write_text(
        '{"embed_dim": 8, "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},'
        ' "text_cfg": {"context_length": 4, "vocab_size": 16, "width": 64, "heads": 1, "layers": 1}}'
    )
    open_clip.add_model_config(folder)
    return "open_clip:tiny-test"


def test_open_clip_gives_the_image_tower_without_classes(tiny_clip):
    model = load_model(tiny_clip, weights="random")
    assert (model.size, model.resize, model.interpolation, model.classes) == ((32, 32), 32, "bicubic", ())
    assert model.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    assert count_outputs(model) == 8
    assert load_model(tiny_clip, weights="random", size=64).size == (64, 64)


def test_open_clip_weights_may_be_of_the_tower_or_of_the_whole(tiny_clip, tmp_path):
    tower = load_model(tiny_clip, weights="random", seed=3)
    state = {k: v.contiguous() for k, v in tower.module.state_dict().items()}
    save_file(state, tmp_path / "tower.safetensors")
    save_file(
        {f"visual.{k}": v.clone() for k, v in state.items()} | {"text": torch.ones(1)},
        tmp_path / "all.safetensors",
    )
    for name in ("tower", "all"):
        assert (
            load_model(tiny_clip, weights=tmp_path / f"{name}.safetensors").weights_hash()
            == tower.weights_hash()
        )


def test_open_clip_asks_which_weights_where_there_are_several():
    pytest.importorskip("open_clip")
    assert refusal(UsageError, "open_clip:RN50") == (
        "open_clip:RN50 has several sets of weights; write open_clip:RN50/ and one of: openai, yfcc15m, cc12m"
    )


def test_open_clip_without_a_network_says_which_weights_are_wanted(hub_offline):
    pytest.importorskip("open_clip")
    sentence = refusal(WeightsError, "open_clip:RN50/openai")
    assert sentence.startswith(
        "the weights open_clip:RN50/openai are not cached here and the download failed ("
    )


def test_open_clip_networks_without_weights_say_so(tiny_clip):
    sentence = "open_clip has no weights for 'tiny-test'; give --weights FILE or --weights random"
    assert refusal(WeightsError, tiny_clip) == sentence


@pytest.mark.parametrize(
    ("package", "spec", "sentence"),
    [
        (
            "timm",
            "timm:resnet18",
            "models named timm:NAME need the package timm: pip install 'vital-fv[timm]', or '.[timm]' in a clone",
        ),
        (
            "open_clip",
            "open_clip:RN50",
            (
                "models named open_clip:NAME need the package open_clip_torch: "
                "pip install 'vital-fv[clip]', or '.[clip]' in a clone"
            ),
        ),
        (
            "torchvision",
            "torchvision:resnet18",
            "models named torchvision:NAME need the package torchvision: pip install torchvision",
        ),
    ],
)
def test_a_missing_package_carries_the_command(monkeypatch, package, spec, sentence):
    class Hidden:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == package:
                raise ModuleNotFoundError(f"No module named {name!r}", name=package)

    for name in [n for n in sys.modules if n.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hidden(), *sys.meta_path])
    assert refusal(MissingDependencyError, spec, weights="random") == sentence


@pytest.mark.parametrize("fault", ["operator torchvision::nms does not exist", "no such thing"])
def test_a_torchvision_that_does_not_fit_its_torch_is_one_sentence(monkeypatch, tmp_path, fault):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(f"raise RuntimeError({fault!r})")
    for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    sentence = refusal(MissingDependencyError, "torchvision:resnet18", weights="random")
    if "nms" in fault:
        assert sentence == f"models named torchvision:NAME need the package torchvision: {misfit()}"
        return
    assert sentence.startswith(
        "models named torchvision:NAME need the package torchvision, which is installed ("
    )
    assert sentence.endswith(
        f") but does not work with torch {torch.__version__.partition('+')[0]}: "
        "no such thing; install versions that belong together"
    )


def test_building_restores_what_it_silenced(monkeypatch):
    monkeypatch.setattr(logging.root.manager, "disable", logging.DEBUG)
    with pytest.raises(ModelError, match=r"^net cannot be built: bad$"), building("net", pretrained=False):
        raise ValueError("bad")
    assert logging.root.manager.disable == logging.DEBUG


def test_timm_networks_of_a_folder_are_loaded_as_those_of_the_hub_are(tmp_path):
    timm = pytest.importorskip("timm")
    network = timm.create_model("resnet10t", num_classes=7)
    timm.models.save_for_hf(network, tmp_path)
    model = load_model(f"timm:local-dir:{tmp_path}")
    assert (model.name, model.weights) == (f"timm:local-dir:{tmp_path}",) * 2
    assert torch.equal(model.module.fc.weight, network.fc.weight)


def test_a_network_that_the_hub_does_not_give_is_one_sentence(hub_offline):
    pytest.importorskip("timm")
    sentence = refusal(WeightsError, "timm:hf-hub:nobody/none")
    assert sentence.startswith(
        "the weights timm:hf-hub:nobody/none are not cached here and the download failed"
    )
