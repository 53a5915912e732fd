from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile

from infercli.render.serving_code import code_digest, module_name, zip_name, zip_package

SOURCE = {"__init__.py": b"from .app import build\n", "app.py": b"def build(args):\n    return args\n"}


def test_equal_source_gives_equal_bytes_whenever_it_is_zipped(monkeypatch):
    first = zip_package("infercli_front", SOURCE)
    assert zip_package("infercli_front", dict(reversed(SOURCE.items()))) == first
    monkeypatch.setattr("time.localtime", lambda *_: (2031, 5, 6, 7, 8, 9, 0, 0, 0))
    assert zip_package("infercli_front", SOURCE) == first
    assert zip_package("infercli_front", {**SOURCE, "app.py": SOURCE["app.py"] + b"\n"}) != first


def test_the_bytes_are_those_that_were_shipped_before():
    # A change of these bytes renames every engine: it must be meant. The digest was taken with `sha256sum` of the file.
    digest = hashlib.sha256(zip_package("infercli_engine", SOURCE)).hexdigest()
    assert code_digest(zip_package("infercli_engine", SOURCE)) == digest[:12]
    assert digest == "4da76840cd1fefddf6b8445522e2a1759d4d01d5e959af120c68d4d664052203"


def test_an_interpreter_with_the_zip_on_its_path_imports_the_package(tmp_path):
    path = tmp_path / zip_name("engine", "0123456789ab")
    path.write_bytes(zip_package(module_name("engine"), SOURCE))
    program = "import infercli_engine; print(infercli_engine.build({'a': 1}), infercli_engine.__file__)"
    answer = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(path)}, capture_output=True, text=True, check=True
    ).stdout
    assert answer.startswith("{'a': 1}")
    assert str(path) in answer


def test_another_user_may_read_what_is_unpacked():
    with zipfile.ZipFile(io.BytesIO(zip_package("infercli_front", SOURCE))) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == ["infercli_front/__init__.py", "infercli_front/app.py"]
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}


def test_a_zip_is_named_by_its_part_and_its_content():
    assert zip_name("front", "0123456789ab") == "front-0123456789ab.zip"
    assert module_name("front") == "infercli_front"
