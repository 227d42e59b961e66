"""A tiny CLIP with random weights, made here: an image-text model without a download."""

import string

import torch


def save_tiny_clip(folder, size=32):
    """A folder that `SentenceTransformer(folder)` reads; letters are its vocabulary."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    letters = string.ascii_lowercase + string.digits
    ends = ("<|startoftext|>", "<|endoftext|>")
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), *ends]
    numbers = {token: number for number, token in enumerate(vocabulary)}
    start, end = (numbers[token] for token in ends)
    small = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    text = small | {
        "vocab_size": len(numbers),
        "bos_token_id": start,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    vision = small | {"image_size": size, "patch_size": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    tokenizer = CLIPTokenizer(vocab=numbers, merges=[], model_max_length=77)
    images = CLIPImageProcessor(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    )
    model.save_pretrained(folder)
    CLIPProcessor(images, tokenizer).save_pretrained(folder)
    return folder
