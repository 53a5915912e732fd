"""Small real tokenizers, trained in milliseconds: of each kind that the models of today have."""

from __future__ import annotations

import itertools
from functools import cache

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from infercli.core.load.texts import WORDS

_TEXT = [" ".join(WORDS), *(f"{a} {b}" for a, b in itertools.pairwise(WORDS)), "100 121 366 500 989 What is it? No."]


def _byte_level():
    """As GPT-2, Llama 3 and Qwen: bytes, a word with the space before it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return tokenizer, trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False)


def _metaspace():
    """As Llama 2, Mistral and Gemma: a space before the text, and no token that goes over a space."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    letters = list("abcdefghijklmnopqrstuvwxyzWN0123456789\u2581?.")
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>"], initial_alphabet=letters, show_progress=False
    )
    return tokenizer, trainer


def _superwords():
    """As SuperBPE (arXiv 2503.13423): tokens of several words."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("_"), normalizers.Replace(" ", "_")])
    letters = list("abcdefghijklmnopqrstuvwxyzWN0123456789_?.")
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>"], initial_alphabet=letters, show_progress=False, max_token_length=6
    )
    return tokenizer, trainer


def _word_pieces():
    """As BERT and the embedding models after it; some of those say in their file that texts are to be cut."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.enable_truncation(max_length=128)
    tokenizer.enable_padding(length=128)
    return tokenizer, trainers.WordPieceTrainer(vocab_size=500, special_tokens=["[UNK]"], show_progress=False)


KINDS = {"byte level": _byte_level, "metaspace": _metaspace, "word pieces": _word_pieces, "superwords": _superwords}


@cache
def tokenizer_json(kind: str) -> bytes:
    """tokenizer.json of one of KINDS."""
    tokenizer, trainer = KINDS[kind]()
    tokenizer.train_from_iterator(_TEXT, trainer)
    if kind == "metaspace":
        # Trained on words and used on whole texts, as those models' files are.
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    return tokenizer.to_str().encode()


def common_beginning(texts):
    """The longest text that all of them begin with."""
    first, last = min(texts), max(texts)
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


class Counted:
    """Counts tokens with the package itself, and how often it was asked."""

    def __init__(self, kind: str) -> None:
        self.name, self.digest = kind, kind
        self.asked = 0
        self._tokenizer = Tokenizer.from_str(tokenizer_json(kind).decode())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def lengths(self, texts):
        self.asked += len(texts)
        return [len(e.ids) for e in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def counted(kind: str) -> Counted:
    """A fresh one."""
    return Counted(kind)
