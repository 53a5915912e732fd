"""The peers' environments, made outside the repository and kept, and a tokenizer that needs no network.

One per peer and version; vLLM's is the engine's environment, which scripts/environments.py makes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.perf.loadgen.server import cache_home
from scripts import environments

_INSTALL_S = 1800.0
_MAKE_TOKENIZER = """
import json, sys
from pathlib import Path
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
home = Path(sys.argv[1])
made = Tokenizer(models.BPE())
made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
made.decoder = decoders.ByteLevel()
text = [p.read_text(errors="replace") for p in sorted(Path(json.__file__).parents[1].glob("*.py"))]
alphabet = pre_tokenizers.ByteLevel.alphabet()
made.train_from_iterator(text, trainers.BpeTrainer(
    vocab_size=8192, show_progress=False, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet))
made.save(str(home / "tokenizer.json"))
template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
(home / "tokenizer_config.json").write_text(json.dumps({
    "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
    "model_max_length": 131072, "chat_template": template}))
"""
"""8,192 entries of byte-level BPE, trained on the sources of Python's standard library, which every Python has."""


class PeerMissing(Exception):
    """A peer cannot run here; the message is the reason."""


def installed(package: str, version: str) -> Path:
    """The `bin` folder of an environment with that version; `package` may name extras. Raises PeerMissing."""
    home = cache_home() / f"{package.partition('[')[0]}-{version}"
    if (home / ".ready").exists():
        return home / "bin"
    shutil.rmtree(home, ignore_errors=True)
    try:
        uv = environments.uv()
        _do([uv, "venv", "--quiet", home])
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", home / "bin" / "python"]
        _do([*install, f"{package}=={version}"])
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    (home / ".ready").touch()
    return home / "bin"


def engine() -> Path:
    """The Python of the engine's environment. Raises PeerMissing."""
    try:
        return Path(environments.make_engine())
    except SystemExit:
        raise PeerMissing("the engine's environment could not be made (see above)") from None


def version_of(python: Path, package: str) -> str:
    """The version that an environment has of a package. Raises PeerMissing."""
    return _do([python, "-c", f"from importlib.metadata import version; print(version({package!r}))"]).strip()


def tokenizer() -> Path:
    """A folder with a tokenizer that all peers can read. Raises PeerMissing."""
    home = cache_home() / "tokenizer"
    if not (home / "tokenizer_config.json").exists():
        home.mkdir(parents=True, exist_ok=True)
        _do([engine(), "-c", _MAKE_TOKENIZER, home])
    return home


def _do(argv: list[object]) -> str:
    words = [str(word) for word in argv]
    # A caller's environment is not wanted in another's, and byte code is.
    ours = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_INSTALL_S, env=ours)
    except subprocess.TimeoutExpired:
        raise PeerMissing(f"`{words[0]} {words[1]}` took longer than {_INSTALL_S:.0f} s") from None
    if done.returncode:
        raise PeerMissing(f"`{' '.join(words[:3])} ...` failed: {' '.join(done.stderr.split())[-300:]}")
    return done.stdout
