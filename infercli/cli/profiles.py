"""`infercli profiles`: all, one, or the schema of them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from infercli.cli import options
from infercli.cli.output import columns, document, emit, last_column_fits
from infercli.errors import InputError


@click.command()
@click.argument("name", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON schema of a profile.")
@options.common
def command(name: str | None, schema: bool, output: str) -> None:
    """List hardware profiles, or print one. A file in ./profiles replaces a shipped one of that name.

    \b
    Examples:
      infercli profiles
      infercli profiles h100-x2 -o yaml
      infercli profiles --schema > profile.schema.json

    \b
    A GPU that `infercli gpus` does not have, in profiles/mine.yaml:
      apiVersion: infercli/v1
      kind: HardwareProfile
      name: mine
      gpu:
        name: MyGPU
        memory_bytes: 42000000000  # as torch.cuda.mem_get_info() says
        memory_bandwidth_bytes_per_s: 1.6e+12
        capability: [9, 0]
        peak_flops: {bf16: 4.0e+14, fp8: 8.0e+14}  # dense; without: no speed
        source: its data sheet
      nodes: [{gpus: 1}]
    """
    from infercli.adapters.files import profile_files, to_yaml
    from infercli.cli.project import MUST_BE, load_profile, read_profile
    from infercli.core.documents.profile import HardwareProfile

    if schema:
        click.echo(json.dumps(HardwareProfile.model_json_schema(), indent=2))
        return
    if name is not None:
        value = document("HardwareProfile", **load_profile(name, Path()).model_dump(mode="json", exclude_defaults=True))
        emit(value, output, to_yaml(value).rstrip("\n"))
        return
    found, broken = [], []
    for path in profile_files(Path()):
        try:
            found.append(read_profile(path))
        except InputError as error:
            broken.append(error.message)
    rows = [
        (
            p.name,
            (p.gpu if isinstance(p.gpu, str) else p.gpu.name) if p.gpu else "CPU",
            f"{p.total_gpus}" + (f" to {p.max_gpus}" if p.max_gpus > p.total_gpus else "") if p.gpu else "none",
            p.interconnect or "",
            p.target,
            ", ".join(p.quantizations),
        )
        for p in found
    ]
    header = ("PROFILE", "GPU", "GPUS", "LINK", "TARGET", "QUANTIZATIONS")
    table: list[tuple[str, ...]] = [header, *rows]
    if not last_column_fits(table):
        table = [(*row[:3], row[-1]) for row in table]
    profiles = [p.model_dump(mode="json") for p in found]
    emit(document("ProfileList", profiles=profiles), output, columns(table))
    if broken:
        raise InputError("\n".join(broken), MUST_BE)
