from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile

from infercli.render.serving_code import code_digest, module_name, zip_module, zip_name

SOURCE = b"def build(args):\n    return args\n"


def test_equal_source_gives_equal_bytes_whenever_it_is_zipped(monkeypatch):
    first = zip_module("infercli_front", SOURCE)
    monkeypatch.setattr("time.localtime", lambda *_: (2031, 5, 6, 7, 8, 9, 0, 0, 0))
    assert zip_module("infercli_front", SOURCE) == first
    assert zip_module("infercli_front", SOURCE + b"\n") != first


def test_the_bytes_are_those_that_were_shipped_before():
    # A change of these bytes renames every engine: it must be meant. The digest was taken with `sha256sum` of the file.
    digest = hashlib.sha256(zip_module("infercli_engine", SOURCE)).hexdigest()
    assert code_digest(zip_module("infercli_engine", SOURCE)) == digest[:12]
    assert digest == "e4f859be2ed4a69fe973b84c741ef00c607d1ad338ee777974bfd722bde40282"


def test_an_interpreter_with_the_zip_on_its_path_imports_the_module(tmp_path):
    path = tmp_path / zip_name("engine", "0123456789ab")
    path.write_bytes(zip_module(module_name("engine"), SOURCE))
    program = "import infercli_engine; print(infercli_engine.build({'a': 1}), infercli_engine.__file__)"
    answer = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(path)}, capture_output=True, text=True, check=True
    ).stdout
    assert answer.startswith("{'a': 1}")
    assert str(path) in answer


def test_another_user_may_read_what_is_unpacked():
    with zipfile.ZipFile(io.BytesIO(zip_module("infercli_front", SOURCE))) as archive:
        (entry,) = archive.infolist()
    assert entry.external_attr >> 16 == 0o100644
    assert entry.compress_type == zipfile.ZIP_STORED


def test_a_zip_is_named_by_its_part_and_its_content():
    assert zip_name("front", "0123456789ab") == "front-0123456789ab.zip"
    assert module_name("front") == "infercli_front"
