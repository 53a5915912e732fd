"""Make the demonstration model: train a tiny Llama on the golden set and pack quantized versions of it.

Run it with the engine's Python (it needs torch, transformers and tokenizers):

    python scripts/demo_model.py ~/.cache/infercli/demo-model --variants bf16,int8,int8-spoilt --check

writes OUTDIR/<variant>/ (a checkpoint each) and OUTDIR/demo-model.json, and prints JSON. What is there already from
the same sources and seed is used again. Training takes about a minute of CPU; --check asks the real vLLM.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tiny_llama.golden import GOLDEN, Golden, InvalidGoldenSet, read_golden

VARIANTS = ("bf16", "int8", "fp8", "int8-spoilt", "w4a16", "awq")
DEFAULT_VARIANTS = ("bf16", "int8", "fp8", "int8-spoilt")
"""Those that run on every CPU."""
STAMP = "demo-model.json"
"""Written last: a variant that it does not name was not finished."""
CARD_MARK = "Made by infercli's scripts/demo_model.py"
"""In every model card; a directory without it is somebody else's and is not replaced."""


class CannotMake(Exception):
    """The output directory cannot be used as it is; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0 made (with --check: and every variant answers as meant), 1 could not, 2 usage, 3 one does not."""
    options = _parser().parse_args(arguments)
    try:
        golden = read_golden()
        with _only_one(options.outdir):
            result = make(options.outdir, golden, options.variants, options.seed)
        if options.check:
            with _stdout_is_stderr():
                check(result["variants"], golden)
    except (CannotMake, InvalidGoldenSet, RuntimeError, OSError) as error:
        _say(f"error: {error}")
        return 1
    print(json.dumps(result, indent=2))
    return 3 if any(v.get("verdict") == "bad" for v in result["variants"].values()) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Train infercli's tiny Llama on its golden set and pack quantized versions of it.",
        epilog="example: python scripts/demo_model.py /tmp/demo-model --variants bf16,int8,int8-spoilt --check",
    )
    parser.add_argument("outdir", metavar="OUTDIR", type=Path, help="where the variants go; made if missing")
    parser.add_argument(
        "--variants",
        type=_variants,
        default=DEFAULT_VARIANTS,
        metavar="A,B",
        help=f"of {', '.join(VARIANTS)} (default {','.join(DEFAULT_VARIANTS)}); bf16 is made in any case",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the spoilt scales (default 0)")
    parser.add_argument("--check", action="store_true", help="ask every variant the golden questions, by the real vLLM")
    return parser


def _variants(text: str) -> tuple[str, ...]:
    """The variants asked for in the order in which they are made."""
    asked = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in asked if name not in VARIANTS]:
        raise argparse.ArgumentTypeError(f"unknown variant {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
    return tuple(name for name in VARIANTS if name in asked)


def make(outdir: Path, golden: Sequence[Golden], variants: Sequence[str], seed: int) -> dict[str, Any]:
    """Make what is missing of `variants` and bf16; the result document, without accuracy.

    Raises CannotMake when a directory of another origin is in the way, RuntimeError when training did not succeed.
    """
    started_s, started_cpu_s = time.monotonic(), time.process_time()
    outdir = outdir.expanduser().resolve()
    source_digest = _source_digest(seed)
    finished = _finished(outdir, source_digest)
    missing = [name for name in VARIANTS if name in {"bf16", *variants} and name not in finished]
    if missing:
        for name in missing:
            _refuse_foreign(outdir / name)
        if not finished:  # other sources or another seed: what is there must not pass for finished meanwhile
            (outdir / STAMP).unlink(missing_ok=True)
        for name in missing:
            finished[name] = _make_variant(outdir, name, golden, seed)
            _write_stamp(outdir, source_digest, seed, finished)
    else:
        _say(f"{outdir} has all of it already")
    return {
        "apiVersion": "infercli/v1",
        "kind": "DemoModel",
        "directory": str(outdir),
        "golden": str(GOLDEN),
        "digest": source_digest,
        "seed": seed,
        "reused": not missing,
        "seconds": round(time.monotonic() - started_s, 2),
        "cpu_seconds": round(time.process_time() - started_cpu_s, 2),
        "variants": {
            name: {"path": str(outdir / name), "size_bytes": sum(finished[name].values())}
            for name in VARIANTS
            if name in variants
        },
    }


def _make_variant(outdir: Path, name: str, golden: Sequence[Golden], seed: int) -> dict[str, int]:
    """Make one variant beside its place and move it there; its files and their sizes in bytes."""
    building = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=outdir))
    building.chmod(0o755)  # mkdtemp's 0700 would keep a server under another user from reading the model
    try:
        if name == "bf16":
            from tiny_llama import training

            _say("training the tiny Llama: about a minute of CPU on two cores")
            tokenizer, model = training.train(golden, seed, _progress)
            training.write_checkpoint(building, tokenizer, model)
            says = "the weights as they were trained, in bfloat16"
        else:
            from tiny_llama import packing

            _say(f"packing {name}")
            packing.write_pack(outdir / "bf16", building, packing.PACKS[name], seed)
            says = packing.PACKS[name].says
        (building / "README.md").write_text(_card(name, says, seed), encoding="utf-8")
        if (outdir / name).exists():
            shutil.rmtree(outdir / name)
        for file in building.iterdir():
            file.chmod(0o644)  # as above: safetensors writes 0600
        building.rename(outdir / name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return _sizes(outdir / name)


def _card(name: str, says: str, seed: int) -> str:
    """The model card; its front matter is where tools look for the licence."""
    return f"""---
license: apache-2.0
language: en
pipeline_tag: text-generation
---
# infercli's tiny Llama, {name}

{CARD_MARK}, seed {seed}: {says}.

It has 3.4 million parameters and has learnt the questions and answers of benchmarks/golden/infercli.yaml by heart, to
show deploying, measuring and rolling back. It knows nothing else: what it says to other questions means nothing.
"""


def check(variants: dict[str, dict[str, Any]], golden: Sequence[Golden]) -> None:
    """Ask each variant the golden questions by the real engine; adds `runs_here`, `accuracy` and `verdict` to each.

    Where the engine lacks a variant's kernel, `runs_here` is false and the other two are None: not measured.
    A good variant is "good" when at least 95 % of the answers are right word for word, the spoilt one when at most
    half are: else it would not show what it is for.
    """
    from tiny_llama import engine
    from tiny_llama.packing import PACKS

    for name, variant in variants.items():
        pack = PACKS.get(name)
        variant.update(runs_here=True, accuracy=None, verdict=None)
        if pack and pack.needs_4bit_kernels and not engine.has_4bit_kernels():
            variant["runs_here"] = False
            _say(f"{name}: not checked: this engine has no 4-bit kernel for this CPU")
            continue
        _say(f"asking {name} {len(golden)} questions")
        pairs = list(zip(golden, engine.answers(Path(variant["path"]), golden), strict=True))
        wrong = [{"id": item.id, "answer": answer} for item, answer in pairs if answer != item.expected]
        right = len(golden) - len(wrong)
        variant["accuracy"] = {"right": right, "of": len(golden), "wrong": wrong}
        as_meant = right <= 0.5 * len(golden) if pack and pack.spoilt else right >= 0.95 * len(golden)
        variant["verdict"] = "good" if as_meant else "bad"
        _say(f"{name}: {right} of {len(golden)} right")


def _source_digest(seed: int) -> str:
    """sha256 over everything here that the weights depend on; the versions of the libraries are the user's choice."""
    here = Path(__file__).resolve().parent
    digest = hashlib.sha256(f"seed {seed}\n".encode())
    for path in (Path(__file__).resolve(), *sorted((here / "tiny_llama").glob("*.py")), GOLDEN):
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _finished(outdir: Path, source_digest: str) -> dict[str, dict[str, int]]:
    """Variants that the stamp names, from these sources, with every file still there in its size."""
    try:
        stamp = json.loads((outdir / STAMP).read_text(encoding="utf-8"))
        if stamp["digest"] != source_digest:
            return {}
        named: dict[str, dict[str, int]] = stamp["variants"]
        finished = {name: sizes for name, sizes in named.items() if _sizes(outdir / name) == sizes}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # no stamp, or one that was cut: nothing is known to be finished
    return finished if "bf16" in finished else {}


def _write_stamp(outdir: Path, source_digest: str, seed: int, finished: dict[str, dict[str, int]]) -> None:
    stamp = {"apiVersion": "infercli/v1", "kind": "DemoModelStamp", "digest": source_digest, "seed": seed}
    temporary = outdir / f".{STAMP}.{os.getpid()}"
    temporary.write_text(json.dumps({**stamp, "variants": finished}, indent=2) + "\n", encoding="utf-8")
    temporary.replace(outdir / STAMP)


def _sizes(directory: Path) -> dict[str, int]:
    return {f.name: f.stat().st_size for f in sorted(directory.iterdir())} if directory.is_dir() else {}


def _refuse_foreign(directory: Path) -> None:
    card = directory / "README.md"
    ours = card.is_file() and CARD_MARK in card.read_text(encoding="utf-8", errors="replace")
    if directory.exists() and not ours:
        raise CannotMake(f"{directory} exists and was not made by this script; choose another OUTDIR or move it away")


@contextmanager
def _only_one(outdir: Path) -> Iterator[None]:
    """Hold the directory's lock: a second process waits, and then finds everything made."""
    outdir = outdir.expanduser()
    outdir.mkdir(parents=True, exist_ok=True)
    with (outdir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another process is making {outdir}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _stdout_is_stderr() -> Iterator[None]:
    """Engines log to standard output, from Python and from C++; ours is for the answer alone."""
    sys.stdout.flush()
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(answer, 1)
        os.close(answer)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _progress(step: int, steps: int, loss: float) -> None:
    if sys.stderr.isatty():
        end = "\n" if step == steps else ""
        print(f"\r  step {step} of {steps}, loss {loss:.3f}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # Threads of torch that wait must sleep: by default they spin, and beside other work the training was measured at
    # four times the CPU seconds. Read when torch is loaded, which is later than here.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.exit(main())
