"""`python -m tests.formal`: run the proofs and print what became of them."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from tests.formal.harness import PATIENCE, Outcome, Proof
from tests.formal.proofs import PROOFS, find


def run_all(proofs: list[Proof], jobs: int, timeout: float, keep: Path | None) -> Iterator[tuple[Proof, Outcome]]:
    """Run `proofs`, `jobs` at a time; yields them as they end."""
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(proof.run, timeout, keep and keep / proof.name): proof for proof in proofs}
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        finally:
            pool.shutdown(cancel_futures=True)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--jobs", default=1, show_default=True, help="Proofs at a time.")
@click.option("--timeout", default=float(PATIENCE), show_default=True, help="Seconds for one proof.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for logs and counterexamples (VCD).")
@click.option("--refute", is_flag=True, help="Prove nothing; look for short runs from reset that break a claim.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the outcomes here as well.")
@click.option("--claims", is_flag=True, help="Run nothing; list what is claimed, and where the specification says so.")
def main(
    names: tuple[str, ...],
    jobs: int,
    timeout: float,
    keep: Path | None,
    refute: bool,
    json_file: Path | None,
    claims: bool,
) -> None:
    """Prove the RTL right, or just those proofs whose names contain one of NAMES."""
    try:
        chosen = [PROOFS[name] for name in find(*names)]
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if refute:
        chosen = [proof.refutation for proof in chosen if proof.mode != "cover"]
    console = Console()
    if claims:
        list_claims(console, chosen)
        return
    table = Table(
        "proof", "mode", *(Column(name, justify="right") for name in ("depth", "claims", "seconds")), "result"
    )
    outcomes = {}
    for proof, outcome in run_all(chosen, jobs, timeout, keep):
        outcomes[proof.name] = outcome
        title = proof.name.rpartition("-")[0]
        numbers = str(proof.depth), str(outcome.claims), f"{outcome.seconds:.1f}"
        table.add_row(title, proof.mode, *numbers, outcome.result)
        print(f"{outcome.result:8} {proof.name} ({outcome.seconds:.1f} s) {outcome.why}", file=sys.stderr, flush=True)
    if json_file:
        json_file.write_text(json.dumps({name: asdict(outcome) for name, outcome in outcomes.items()}, indent=2))
    console.print(table)
    passed = sum(outcome.result == "pass" for outcome in outcomes.values())
    console.print(f"{passed}/{len(chosen)} pass")
    sys.exit(passed != len(chosen))


def list_claims(console: Console, proofs: list[Proof]) -> None:
    """Every claim with its sentence, every cover."""
    table = Table("proof", "claim", "docs/fabric.md")
    for proof in proofs:
        bench = proof.bench()
        title = proof.name.rpartition("-")[0]
        if proof.mode == "cover":
            for cover in bench.covers:
                table.add_row(title, f"{cover} (reachable)", "")
        else:
            for claim, sentence in bench.claims.items():
                if sentence:
                    table.add_row(title, claim.removeprefix("claim_"), sentence)
    console.print(table)


if __name__ == "__main__":
    main()
