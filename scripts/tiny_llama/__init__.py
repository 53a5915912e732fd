"""The demonstration model: a Llama of 3.4 million parameters that this project trains itself, and its quantized packs.

It needs torch, transformers and tokenizers, so it runs under the engine's Python; `scripts/demo_model.py` is its
command. Its folder must not be called `demo_model`: the command's own module has that name.
"""
