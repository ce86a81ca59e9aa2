"""Networks of the libraries that backends come from, tiny and random, written to folders as published ones are."""

from __future__ import annotations

import json
from pathlib import Path

import torch

WORDS = "cube sphere cone red blue striped on grass small large image . , : a the what does describe user assistant"
SIDE = 32
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
VISION = {**SMALL, "image_size": SIDE, "patch_size": 8, "initializer_range": 1.0}


def tokenizer(**extra):
    """Whole words, one number each; "cube" is number 0."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
    vocabulary = {word: i for i, word in enumerate([*WORDS.split(), *special])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=special[0]))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    names = dict(zip(("unk_token", "bos_token", "eos_token", "pad_token"), special, strict=False))
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, **names, extra_special_tokens={"image_token": "<image>"}, **extra
    )


def special_ids(tokens) -> dict[str, int]:
    return {f"{name}_token_id": getattr(tokens, f"{name}_token_id") for name in ("bos", "eos", "pad")}


def text(tokens, **own) -> dict:
    """The options of a small network that reads or writes these tokens."""
    plain = {"max_position_embeddings": 128, "initializer_range": 1.0, "vocab_size": len(tokens)}
    return {**SMALL, **plain, **special_ids(tokens), **own}


def saved(folder: Path, network, processor, head=None) -> Path:
    """Write both; a head of zeros makes every next word as likely, and the first of all, "cube", the likeliest."""
    if head is not None:
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.zero_()
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def image_processor():
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def blip(folder: Path, mute: bool = False) -> Path:
    import transformers as tf

    tokens = tokenizer()
    writing = text(tokens, encoder_hidden_size=16, sep_token_id=16, max_position_embeddings=64)
    network = tf.BlipForConditionalGeneration(tf.BlipConfig(text_config=writing, vision_config=VISION))
    shown = tf.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    head = network.text_decoder.cls.predictions.decoder if mute else None
    return saved(folder, network, tf.BlipProcessor(shown, tokens), head)


def blip2(folder: Path, mute: bool = False) -> Path:
    import transformers as tf

    tokens = tokenizer()
    asking = {**SMALL, "encoder_hidden_size": 16, "vocab_size": 8, "cross_attention_frequency": 1}
    own = {"word_embed_proj_dim": 16, "ffn_dim": 16, "max_position_embeddings": 64, "init_std": 1.0}
    config = tf.Blip2Config(
        vision_config=VISION,
        qformer_config=asking,
        text_config=tf.OPTConfig(**text(tokens, **own)).to_dict(),
        num_query_tokens=4,
        image_token_index=tokens.convert_tokens_to_ids("<image>"),
    )
    network = tf.Blip2ForConditionalGeneration(config)
    shown = tf.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    head = network.language_model.lm_head if mute else None
    return saved(folder, network, tf.Blip2Processor(shown, tokens, num_query_tokens=4), head)


def llava(folder: Path, mute: bool = False) -> Path:
    import transformers as tf

    tokens = tokenizer()
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**{**VISION, "num_hidden_layers": 2}, projection_dim=16),
        text_config=tf.LlamaConfig(**text(tokens, num_hidden_layers=2)),
        image_token_index=tokens.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
    )
    network = tf.LlavaForConditionalGeneration(config)
    template = (
        "{% for message in messages %}{{ message['role'] }} : {% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}assistant : {% endif %}"
    )
    processor = tf.LlavaProcessor(
        image_processor(),
        tokens,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=template,
        num_additional_image_tokens=1,
    )
    return saved(folder, network, processor, network.lm_head if mute else None)


def florence2(folder: Path, mute: bool = False) -> Path:
    import transformers as tf

    tokens = tokenizer()
    vision = tf.Florence2VisionConfig(
        depths=[1, 1],
        patch_size=[7, 3],
        patch_stride=[4, 2],
        patch_padding=[3, 1],
        patch_prenorm=[False, True],
        embed_dim=[8, 16],
        num_heads=[2, 2],
        num_groups=[2, 2],
        window_size=4,
        projection_dim=16,
        max_temporal_embeddings=4,
        max_position_embeddings=10,
    )
    halves = {
        f"{half}_{part}": n
        for half in ("encoder", "decoder")
        for part, n in {"layers": 1, "attention_heads": 2, "ffn_dim": 16}.items()
    }
    start = {
        "decoder_start_token_id": tokens.bos_token_id,
        "forced_bos_token_id": None,
        "forced_eos_token_id": None,
    }
    config = tf.Florence2Config(
        vision_config=vision,
        text_config=tf.BartConfig(**text(tokens, d_model=16, init_std=1.0, **halves, **start)),
        image_token_id=tokens.convert_tokens_to_ids("<image>"),
        **special_ids(tokens),
        is_encoder_decoder=True,
    )
    network = tf.Florence2ForConditionalGeneration(config)
    shown = image_processor()
    shown.image_seq_length = 17
    processor = tf.Florence2Processor(shown, tokens)
    return saved(folder, network, processor, network.lm_head if mute else None)


def pair(folder: Path, mute: bool = False) -> Path:
    """An encoder of images and a decoder of words, as older captioners are."""
    import transformers as tf

    tokens = tokenizer()
    seeing = tf.ViTConfig(**VISION)
    writing = tf.GPT2Config(
        **text(tokens, max_position_embeddings=64, add_cross_attention=True, is_decoder=True)
    )
    start = {"decoder_start_token_id": tokens.bos_token_id, "pad_token_id": tokens.pad_token_id}
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(seeing, writing, **start)
    network = tf.VisionEncoderDecoderModel(config)
    network.generation_config.update(**start)
    tokens.save_pretrained(folder)
    shown = tf.ViTImageProcessor(size={"height": SIDE, "width": SIDE})
    return saved(folder, network, shown, network.decoder.lm_head if mute else None)


def llama(folder: Path, template: str | None = None, mute: bool = False) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    tokens = tokenizer(chat_template=template) if template else tokenizer()
    network = LlamaForCausalLM(LlamaConfig(**text(tokens, max_position_embeddings=2048)))
    return saved(folder, network, tokens, network.lm_head if mute else None)


CLIP = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": SIDE, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}


def clip(folder: Path) -> Path:
    """A folder of open_clip with its configuration, and beside it a checkpoint `clip.pt` of the same network."""
    import open_clip

    folder.mkdir(exist_ok=True)
    (folder / "tiny-clip.json").write_text(json.dumps(CLIP))
    open_clip.add_model_config(folder)
    network = open_clip.create_model("tiny-clip")
    torch.save(network.state_dict(), folder / "clip.pt")
    hub = folder / "hub"
    hub.mkdir()
    cfg = {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "resize_mode": "squash",
        "interpolation": "bilinear",
    }
    (hub / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP, "preprocess_cfg": cfg}))
    torch.save(network.state_dict(), hub / "open_clip_pytorch_model.bin")
    return folder


def two_towers(folder: Path, family: str = "clip") -> Path:
    """CLIP or SigLIP of transformers."""
    import transformers as tf

    tokens = tokenizer(model_max_length=12)
    own = {**text(tokens), "max_position_embeddings": 12}
    if family == "clip":
        config = tf.CLIPConfig(text_config={**own, "projection_dim": 8}, vision_config={**VISION, "projection_dim": 8},
                               projection_dim=8)  # fmt: skip
        network = tf.CLIPModel(config)
    else:
        network = tf.SiglipModel(tf.SiglipConfig(text_config=own, vision_config=VISION))
    image_processor().save_pretrained(folder)
    return saved(folder, network, tokens)


def diffusion(folder: Path) -> Path:
    """A latent diffusion pipeline of Stable Diffusion's kind for images of 16 pixels."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    vocabulary = {word: i for i, word in enumerate(["<|startoftext|>", "<|endoftext|>"])}
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    for piece in [*letters, *(f"{letter}</w>" for letter in letters)]:
        vocabulary[piece] = len(vocabulary)
    (folder / "words").mkdir()
    (folder / "words" / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "words" / "merges.txt").write_text("#version: 0.2\n")
    tokens = CLIPTokenizer(
        str(folder / "words" / "vocab.json"), str(folder / "words" / "merges.txt"), model_max_length=77
    )
    own = {"max_position_embeddings": 77, "projection_dim": 16, "initializer_range": 1.0}
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    reading = CLIPTextModel(CLIPTextConfig(vocab_size=len(vocabulary), **SMALL, **own, **ends))
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    pixels = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
    )
    steps = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )
    made = {"vae": pixels, "text_encoder": reading, "tokenizer": tokens, "unet": unet, "scheduler": steps}
    without = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline = StableDiffusionPipeline(**made, **without)
    pipeline.save_pretrained(folder / "pipeline")
    return folder / "pipeline"
