"""`infercli workloads`: those that are shipped, one as it is written down, or the schema of them."""

from __future__ import annotations

import json

import click

from infercli.cli import options
from infercli.cli.output import columns, emit


@click.command()
@click.argument("name", required=False, metavar="[NAME|FILE]")
@click.option("--schema", is_flag=True, help="Print the JSON schema of a workload.")
@options.common
def command(name: str | None, schema: bool, output: str) -> None:
    """List the workloads that `infercli bench` can send, or print one: your own, and whether it is right, too.

    \b
    Examples:
      infercli workloads
      infercli workloads rag > mine.yaml
      infercli bench chat --workload mine.yaml
      infercli workloads --schema > workload.schema.json

    \b
    What one may say, of which only synthetic (or prompts, conversations, or a file and its format) is needed:
      apiVersion: infercli/v1
      kind: Workload
      name: mine
      synthetic:
        input_tokens: {mean: 1000, stdev: 200, min: 100, max: 4000}  # or 1000; of the first turn
        output_tokens: [50, 100, {value: 800, weight: 0.5}]          # one of them; or {min: 50, max: 150}
        shared_prefix: {tokens: 80, groups: 2}                       # or hit_fraction: 0.5
        turns: 3
        turn_tokens: 200                                             # what later turns add
        think_s: {mean: 5, stdev: 2, max: 20}                        # from an answer to the next turn
      loras: {sql: 1, base: 3}                                       # shares
    """
    from infercli.adapters.files import read_document, read_text, shipped, shipped_file
    from infercli.core.load.workload import Workload

    if schema:
        click.echo(json.dumps(Workload.model_json_schema(), indent=2))
        return
    if name is not None:
        path = shipped_file("workloads", name, "workload")
        value = read_document(path, Workload).model_dump(mode="json", exclude_defaults=True)
        value = {"apiVersion": "infercli/v1", "kind": "Workload", **value}
        emit(value, output, read_text(path).rstrip("\n"))
        return
    found = [read_document(path, Workload) for path in sorted(shipped("workloads").glob("*.yaml"))]
    listed = [{"name": w.name, "description": w.description} for w in found]
    rows = [("WORKLOAD", "WHAT IT SENDS"), *((w.name, w.description or "") for w in found)]
    emit({"apiVersion": "infercli/v1", "kind": "WorkloadList", "workloads": listed}, output, columns(rows))
