"""The proofs as tests, and the proofs' own bench: what is false must fail."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from tests.formal.harness import Bench, Inside, Proof
from tests.formal.mutate import MUTANTS, Mutant, broken_copy, proofs_of
from tests.formal.proofs import PROOFS, find

TRUE = "One clock, 1 GHz: a cycle is 1 ns."


@pytest.mark.formal
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if proof.quick else (pytest.mark.long,)) for name, proof in PROOFS.items()]
)
def test_proof(name: str) -> None:
    outcome = PROOFS[name].run()
    assert outcome.result == "pass", outcome.why


class Counter(wiring.Component):
    """Counts to 9 and begins anew; writes what it counts into a memory."""

    enable: In(1)
    count: Out(4)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=4, depth=16, init=[])
        port = memory.write_port()
        memory.read_port()
        full = Signal()
        m.d.comb += [full.eq(self.count == 9), port.addr.eq(self.count), port.data.eq(self.count), port.en.eq(1)]
        with m.If(self.enable):
            m.d.sync += self.count.eq(self.count + 1)
            with m.If(full):
                m.d.sync += self.count.eq(0)
        return m


def right(bench: Bench) -> None:
    counter = Counter()
    inside = bench.put(counter)
    bench.claim("below_ten", TRUE, counter.count < 10)
    bench.claim("full", TRUE, inside.signal("full") == (counter.count == 9))
    before = bench.past(counter.count)
    bench.claim("written", TRUE, ~bench.begun | (inside.row("memory", before) == before))
    bench.cover("nine", counter.count == 9)


def wrong(bench: Bench) -> None:
    """True for five cycles."""
    counter = Counter()
    bench.put(counter)
    bench.claim("below_ten", TRUE, counter.count < 10)
    bench.claim("below_five", TRUE, counter.count < 5)
    bench.cover("ten", counter.count == 10)


def frozen(bench: Bench) -> None:
    counter = Counter()
    bench.put(counter, enable=0)
    bench.cover("one", counter.count == 1)


def hard(bench: Bench) -> None:
    """The factors of a product of two primes of 31 and 61 bits."""
    a, b = bench.fixed(61, "a"), bench.fixed(61, "b")
    bench.cover("factors", (a > 1) & (b > 1) & (a * b == (2**31 - 1) * (2**61 - 1)))


@pytest.mark.formal
@pytest.mark.parametrize(
    ("build", "mode", "depth", "result", "why"),
    [
        (right, "prove", 1, "pass", ""),
        (right, "cover", 11, "pass", ""),
        (right, "cover", 9, "FAIL", "cover_nine"),
        (wrong, "bmc", 5, "pass", ""),
        (wrong, "bmc", 8, "FAIL", "claim_below_five"),
        (wrong, "prove", 8, "FAIL", "claim_below_five"),
        (frozen, "cover", 4, "FAIL", "cover_one"),
    ],
)
def test_bench_tells_right_from_wrong(build, mode, depth, result, why) -> None:
    outcome = Proof(build, mode, depth).run(timeout=60)
    assert (outcome.result, outcome.why) == (result, why)


@pytest.mark.formal
def test_a_proof_that_takes_too_long_is_no_failure() -> None:
    """No machine finds the factors within the second that it has; sby may not even have read the design by then."""
    outcome = Proof(hard, "cover", 1).run(timeout=1)
    assert (outcome.result, outcome.why) == ("TIMEOUT", "not decided in 1 s")


def test_claim_needs_a_sentence_of_the_specification() -> None:
    with pytest.raises(ValueError, match=r"'fast': docs/fabric\.md does not say 'A cycle is 2 ns"):
        Bench().claim("fast", "A cycle is 2 ns", 1)


def test_names_that_are_not_there() -> None:
    inside = Inside(Counter())
    with pytest.raises(LookupError, match="Counter has 0 signals called 'total'"):
        inside.signal("total")
    with pytest.raises(LookupError, match="Counter has no submodule 'adder'"):
        inside.signal("adder.sum")
    with pytest.raises(LookupError, match="Counter has no submodule 'cache'"):
        inside.row("cache", 0)
    with pytest.raises(TypeError, match="Counter has no inputs enabel"):
        Bench().put(Counter(), enabel=1)
    with pytest.raises(ValueError, match=r"no proof is called 'nosuch'; there are: host_port\.requests-prove"):
        find("nosuch")


def test_no_proof_is_vacuous_by_construction() -> None:
    """Each proof claims something, and says which interesting states it must be able to reach."""
    proved = {proof.build: proof for proof in PROOFS.values() if proof.mode == "prove"}
    assert proved.keys() == {proof.build for proof in PROOFS.values() if proof.mode == "cover"}
    for proof in proved.values():
        bench = proof.bench()
        assert bench.covers, proof.name
        assert any(bench.claims.values()), proof.name


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_fits_the_source(mutant, tmp_path) -> None:
    broken_copy(mutant, tmp_path)
    broken = (tmp_path / mutant.file).read_text(encoding="utf-8")
    compile(broken, mutant.file, "exec")
    assert all(new in broken for _, new in mutant.patches)
    assert proofs_of(mutant.file)


def test_mutant_that_does_not_fit(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"mutant 'old': rtl/mesh\.py has 'no such line' 0 times, wanted once"):
        broken_copy(Mutant("old", "rtl/mesh.py", (("no such line", ""),)), tmp_path)
