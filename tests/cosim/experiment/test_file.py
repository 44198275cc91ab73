"""Experiments as TOML files: what each key does, the place of each mistake, every example on every engine it names."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.engines.golden import GoldenEngine
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.experiment.file import ENGINES, ExperimentFile, load_experiment
from cosim.experiment.toml_source import TomlError
from cosim.isa.assembler import AssemblyError, assemble
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from rtl.config import Edge, preset
from tests.cosim.scripts import IN_EITHER_SIMULATOR

SMALL = preset("small")
EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


@pytest.fixture
def load(tmp_path: Path):
    def read(text: str, **options) -> ExperimentFile:
        path = tmp_path / "my_test.toml"
        path.write_text(text)
        return load_experiment(path, **options)

    return read


HALT = '[tile.0]\nprogram = "HALT"\n'


def test_defaults(load) -> None:
    file = load(HALT)
    assert file.engines == ("rtl",)
    assert file.asked == {}
    experiment = file.experiment
    assert experiment.config == preset("chip")
    assert (experiment.name, experiment.seed, experiment.frame, experiment.cycles) == ("my_test", 0, 0, 100_000)
    assert experiment.analog == AnalogConfig.ideal()
    assert experiment.units == {Unit(TILE, 0): assemble("HALT", TILE, preset())}


def test_every_key(load, tmp_path: Path) -> None:
    """A file that uses all of the format, against an Experiment made by hand."""
    random = np.random.default_rng(1)
    weights = random.uniform(-1, 1, (SMALL.total_rows, SMALL.lanes))
    mask = random.random(SMALL.lanes) < 0.5
    codes = random.integers(0, 256, (2, SMALL.lanes))
    np.save(tmp_path / "all.npy", weights)
    np.save(tmp_path / "mask.npy", mask)
    np.save(tmp_path / "codes.npy", codes)
    np.savetxt(tmp_path / "square.csv", weights[: SMALL.lanes], delimiter=",")
    np.savetxt(tmp_path / "codes.csv", codes, delimiter=",", fmt="%d")
    (tmp_path / "ilp.asm").write_text("PULSE fire\nHALT\n")
    file = load(
        """
        name = "all of it"
        preset = "small"
        engine = ["twin", "rtl"]
        cycles = 500
        seed = 3
        frame = 4
        analog = { preset = "nominal", age_s = 60, pcm = { g_max_us = 20.0 } }
        [tile.0]
        program = "MESH west_to_rows=all\\n HALT"
        masks = { north = "0-3, 15", east = [1, "2-4"], south = "mask.npy", west = 7 }
        weights = { wp1 = "all.npy", wp2 = 0.5 }
        [tile."0,1".weights]
        balanced = "square.csv"
        [tile.2.weights]
        four_pcm = -1
        [ilp.E]
        program_file = "ilp.asm"
        vectors = "codes.csv"
        [ilp.0]
        vectors = [17, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]]
        [olp.1]
        program = "COUNT open, load_pointer, pointer=2\\nCOUNT store, open\\nCOUNT store\\nHALT"
        results = "2-3"
        expect = [7, "codes"]
        within = 3
        """.replace('"codes"', str(codes[0].tolist()))
    )
    assert file.engines == ("twin", "rtl")
    assert (list(file.asked), file.asked[1].slots, file.asked[1].within) == ([1], (2, 3), 3)
    np.testing.assert_array_equal(file.asked[1].codes, [[7] * SMALL.lanes, codes[0]])
    experiment = file.experiment
    assert experiment.config == SMALL
    assert (experiment.name, experiment.seed, experiment.frame, experiment.cycles) == ("all of it", 3, 4, 500)
    nominal = AnalogConfig()
    assert (experiment.analog.age_s, experiment.analog.pcm.g_max_us) == (60, 20)
    assert experiment.analog.periphery == nominal.periphery
    assert experiment.units == {
        Unit(TILE, 0): assemble("MESH west_to_rows=all\nHALT", TILE, SMALL),
        Unit(ILP, 1): assemble("PULSE fire\nHALT", ILP, SMALL),
        Unit(OLP, 1): assemble("COUNT open, load_pointer, pointer=2\nCOUNT store, open\nCOUNT store\nHALT", OLP, SMALL),
    }
    lanes = {Edge.NORTH: [0, 1, 2, 3, 15], Edge.EAST: [1, 2, 3, 4], Edge.WEST: [7]}
    for edge, on in lanes.items():
        assert np.flatnonzero(experiment.masks[0, edge]).tolist() == on
    np.testing.assert_array_equal(experiment.masks[0, Edge.SOUTH], mask)
    np.testing.assert_array_equal(experiment.vectors[1], codes)
    np.testing.assert_array_equal(experiment.vectors[0], [[17] * 16, [*range(15), 255]])
    np.testing.assert_array_equal(experiment.weights[0].wp1, weights)
    half = np.zeros_like(weights)
    half[: SMALL.lanes] = 0.5
    np.testing.assert_array_equal(experiment.weights[0].wp2, half)
    padded = weights.copy()
    padded[SMALL.lanes :] = 0
    np.testing.assert_allclose(experiment.weights[1].wp1, padded)
    np.testing.assert_allclose(experiment.weights[1].wp2, -padded)
    np.testing.assert_array_equal(experiment.weights[2].wp1, -2 * half)
    np.testing.assert_array_equal(experiment.weights[2].wp2, -2 * half)


def test_ideal_is_the_base_of_changes_that_say_so(load) -> None:
    experiment = load('analog = { preset = "ideal", periphery = { capacitor_ff = 60.0 } }\n' + HALT).experiment
    assert experiment.analog.pcm == AnalogConfig.ideal().pcm
    assert experiment.analog.periphery.capacitor_ff == 60


def test_devices_of_the_other_model(load) -> None:
    analog = 'analog = { devices = "hermes", pcm = { g_max_us = 9, programming_noise_us = [0, 0.5] } }\n'
    experiment = load(analog + HALT).experiment
    assert experiment.analog.devices == "hermes"
    assert experiment.analog.pcm.g_max_us == 9
    assert experiment.analog.pcm.programming_noise_us == (0.0, 0.5)
    assert experiment.analog.periphery == AnalogConfig.nominal("hermes").periphery


def test_constants_are_replaced_all_at_once(load) -> None:
    """Each of them alone would contradict the other's default."""
    for pair in ("g_max_us = 50, g_set_us = 60", "g_set_us = 60, g_max_us = 50"):
        pcm = load(f"analog = {{ pcm = {{ {pair} }} }}\n" + HALT).experiment.analog.pcm
        assert (pcm.g_max_us, pcm.g_set_us) == (50, 60)
    with pytest.raises(ExperimentError, match=r"my_test\.toml:1:18: Pcm\.g_set_us must be g_max to 2 g_max"):
        load("analog = { pcm = { g_max_us = 50 } }\n" + HALT)


def test_devices_of_the_caller_win(load, tmp_path) -> None:
    for analog in ("", 'analog = "nominal"\n', 'analog = { devices = "pcm", age_s = 60 }\n'):
        assert load(analog + HALT, devices="hermes").experiment.analog.devices == "hermes"
    load(HALT).experiment.save(tmp_path / "saved.npz")
    assert load_experiment(tmp_path / "saved.npz", devices="pcm").experiment.analog == AnalogConfig.ideal()
    with pytest.raises(ExperimentError, match=r"saved\.npz: the experiment was saved with devices of model pcm"):
        load_experiment(tmp_path / "saved.npz", devices="hermes")


def test_seed_of_the_caller_wins(load) -> None:
    assert load("seed = 3\n" + HALT, seed=9).experiment.seed == 9


def test_saved_experiments_load(load, tmp_path: Path) -> None:
    experiment = load(HALT).experiment
    experiment.save(tmp_path / "e.npz")
    assert load_experiment(tmp_path / "e.npz").experiment.units == experiment.units


# ---- mistakes

SMALL_HALT = f'preset = "small"\n{HALT}'


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("seed = \n", "1:8", "not valid TOML"),
        ("", "1:1", "no unit has a program"),
        ("speed = 3\n" + HALT, "1:9", "unknown key 'speed'; did you mean seed"),
        ('preset = "large"\n' + HALT, "1:10", "preset must be one of chip, small, got 'large'"),
        ('engine = "spice"\n' + HALT, "1:10", "engine must be one of rtl, golden, twin, got 'spice'"),
        ('engine = ["rtl", "spice"]\n' + HALT, "1:18", "must be one of rtl, golden, twin, got 'spice'"),
        ("engine = []\n" + HALT, "1:10", "engine names none"),
        ("cycles = 0\n" + HALT, "1:10", "cycles must be a whole number, 1 or more, got 0"),
        ("seed = -1\n" + HALT, "1:8", "seed must be a whole number, 0 or more"),
        (f"seed = {1 << 62}{'0' * 9}\n" + HALT, "1:8", "an integer of more than 64 bits"),
        ("cycles = 9223372036854775807\n" + HALT, "1:10", "cycles must be a whole number, 1 to 1099511627776"),
        ('[tile.0]\nprogram = "ARRAY capacitors=9"', "2:11", "word 0 of TILE 0 connects 9 capacitors, a column has 8"),
        ("cycles = 1.5\n" + HALT, "1:10", "cycles must be a whole number"),
        ("name = 1\n" + HALT, "1:8", "name must be a string"),
        ('analog = "real"\n' + HALT, "1:10", "analog must be one of ideal, nominal"),
        ("analog.pcm.g_max = 1.0\n" + HALT, "1:20", "unknown key 'g_max' of analog.pcm; did you mean g_max_us"),
        ("analog.pcm = 1\n" + HALT, "1:14", "analog.pcm must be a table"),
        ("analog.age_s = -1\n" + HALT, "1:16", r"AnalogConfig\.age_s must be a number, 0 to 1e\+10 s, got -1"),
        ('analog.devices = "flash"\n' + HALT, "1:18", "analog.devices must be one of pcm, hermes, got 'flash'"),
        (
            "analog.pcm.pulse_noise = 0.1\n" + HALT,
            "1:26",
            r"Pcm\.pulse_noise must be a list of one or more numbers, got 0\.1",
        ),
        ('analog.age_s = "1 h"\n' + HALT, "1:16", r"AnalogConfig\.age_s must be a number, .* got '1 h'"),
        ("analog.pcm.read_noise_scale = nan\n" + HALT, "1:31", "read_noise_scale must be a number, 0 to 100, got nan"),
        ("analog.pcm.drift_scale = inf\n" + HALT, "1:26", "drift_scale must be a number, 0 to 100, got inf"),
        ("analog.periphery.temperature_k = -27\n" + HALT, "1:34", "temperature_k must be a number, 0 to 1000 K"),
        ("analog.periphery.capacitor_ff = inf\n" + HALT, "1:33", r"capacitor_ff must be a number, 0\.1 to 1e\+06 fF"),
        ("analog.transport.skew_ns = true\n" + HALT, "1:28", "skew_ns must be a number, .*, got True"),
        ("analog.significance = 1.0\n" + HALT, "1:23", "significance must be a whole number, .*, got 1.0"),
        (f"analog.age_s = 1{'0' * 18}\n" + HALT, "1:16", "age_s must be a number"),
        (SMALL_HALT + "masks.north = '0x_-2'", "4:15", "lanes: '0x_-2' is no number and no range"),
        (SMALL_HALT + f"masks.north = '{'9' * 5000}'", "4:15", "lanes: .*is no number and no range"),
        (SMALL_HALT + "[ilp.0]\nvectors = [9223372036854775808]", "5:11", r"9\.22337e\+18 is no code"),
        (SMALL_HALT + "weights.wp1 = 18446744073709551615", "4:15", "expected -1 to 1"),
        (f"[tile.{'9' * 5000}]\nprogram = 'HALT'", "1:1", "there is no tile '9999"),
        (f"[tile.0]\nprogram_file = '{'x' * 5000}'", "2:16", "there is no file"),
        ("tile = 1\n", "1:8", "tile must have tables"),
        ("tile.0 = 1\n", "1:10", "tile.0 must be a table"),
        ("[tile.0]\nprogam = ''\n", "2:10", "unknown key 'progam' of tile.0; did you mean program"),
        ("[olp.0]\nvectors = [1]\n", "2:11", "unknown key 'vectors' of olp.0"),
        (
            '[tile.34]\nprogram = "HALT"',
            "1:1",
            r"no tile '34'; .* tiles 0 to 33, or squares '0,0' to '5,5', w",
        ),
        ('[tile."2,2"]\nprogram = "HALT"', "1:1", r"there is no tile '2,2'; .* without \(2, 2\), \(3, 2\)"),
        ('[ilp.N]\nprogram = "HALT"', "1:1", "no landing pad ilp.N; this chip has ilps 0 to 5, or NW, NE, CW"),
        ('[olp.6]\nprogram = "HALT"', "1:1", "no landing pad olp.6"),
        (HALT + '[tile."0,0"]\nmasks = {}', "3:1", r"\[tile.0,0\] is TILE 0, which \[tile.0\] is already"),
        ('[tile.0]\nprogram = "HALT"\nprogram_file = "x"', "3:16", "a program and a program_file; drop one"),
        ('[tile.0]\nprogram_file = "x.asm"', "2:16", "there is no file .*x.asm"),
        ("[tile.0]\nprogram_file = 3", "2:16", "must be the name of a file, got 3"),
        ('[tile.0]\nprogram = ""', "2:11", "program of TILE 0 has 0 words; expected 1 to 256"),
        (SMALL_HALT + "masks.north = '0-16'", "4:15", "there is no lane 16: there are 0 to 15"),
        (SMALL_HALT + "masks.north = '3-2'", "4:15", "lanes: '3-2' is no number and no range"),
        (SMALL_HALT + "masks.north = 'even'", "4:15", "lanes: 'even' is no number and no range"),
        (SMALL_HALT + "masks.up = '0-15'", "4:12", "unknown key 'up' of tile.0.masks"),
        (SMALL_HALT + "weights = {}", "4:11", "weights say nothing"),
        (SMALL_HALT + "weights.wp3 = 1", "4:15", "unknown key 'wp3'"),
        (SMALL_HALT + "weights = { wp1 = 1, balanced = 1 }", "4:33", "wp1 and balanced exclude each other"),
        (SMALL_HALT + "weights.wp1 = 1.5", "4:15", "weight of row 0, column 0 is 1.5; expected -1 to 1"),
        (SMALL_HALT + "weights.wp1 = nan", "4:15", "weight of row 0, column 0 is nan"),
        (SMALL_HALT + "weights.wp1 = [[1, 2], [3]]", "4:15", "weights must be a number, rows of numbers"),
        (SMALL_HALT + "weights.wp1 = [[1, 0], [0, 1]]", "4:15", r"shape \(16, 16\), or \(24, 16\) with bias rows"),
        (SMALL_HALT + "[ilp.0]\nvectors = 1", "5:11", "vectors must be a list of vectors"),
        (SMALL_HALT + "[ilp.0]\nvectors = [1, [2, 3]]", "5:15", "vector 1 has 2 codes, this chip's have 16"),
        (SMALL_HALT + "[ilp.0]\nvectors = [1, 256]", "5:11", "vector 1, lane 0: 256 is no code"),
        (SMALL_HALT + "[ilp.0]\nvectors = [1, 'a']", "5:15", "a vector is a list of codes"),
        (SMALL_HALT + "[ilp.0]\nvectors = [1,2,3,4,5,6,7,8,9]", "5:11", "9 vectors, its SRAM holds 8"),
        (SMALL_HALT + "[olp.0]\nprogram = 'HALT'\nresults = 0", "6:11", "result 0 of OLP 0 .* never stored; .* none"),
        (SMALL_HALT + "[olp.0]\nprogram = 'HALT'\nexpect = [1]", "6:10", "result 0 of OLP 0 .* never stored"),
        (SMALL_HALT + "[olp.0]\nresults = [0, 1]\nexpect = [1]", "6:10", "expect has 1 vector for 2 results"),
        (SMALL_HALT + "[olp.0]\nresults = 0\nwithin = 1", "6:10", "within needs expect"),
        (SMALL_HALT + "[olp.0]\nexpect = [1]\nwithin = -1", "5:10", "never stored"),
        (SMALL_HALT + "[olp.0]\nprogram = 'HALT'\nresults = 8", "6:11", "there is no result 8: there are 0 to 7"),
    ],
)
def test_mistakes_have_a_place(load, text: str, place: str, message: str) -> None:
    with pytest.raises((ExperimentError, TomlError), match=rf"my_test\.toml:{place}: .*{message}"):
        load(text)


@pytest.mark.parametrize(
    ("listing", "place", "message"),
    [
        ("'''\nMESH west_to_net=all\n  MASH\nHALT'''", "5:3", "TILE 0: unknown instruction 'MASH'"),
        ('"""MESH wes=all"""', "3:19", "TILE 0: unknown field 'wes'"),
        ('"HALT\\n  FOO"', "3:20", "TILE 0: unknown instruction 'FOO'"),
        ('"""\n\\\n   NOP\\twait=5000"""', "5:14", "TILE 0: wait must be 0 to 4095"),
    ],
)
def test_mistakes_in_assembly_point_into_the_file(load, listing: str, place: str, message: str) -> None:
    with pytest.raises(AssemblyError, match=rf"my_test\.toml:{place}: {message}"):
        load(f'preset = "small"\n[tile.0]\nprogram = {listing}\n')


def test_mistakes_in_an_assembly_file_point_there(load, tmp_path: Path) -> None:
    (tmp_path / "x.asm").write_text("NOP\n  FOO\n")
    with pytest.raises(AssemblyError, match=r"x\.asm:2:3: unknown instruction 'FOO'"):
        load('[tile.0]\nprogram_file = "x.asm"\n')


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n3, x\n", r"v\.csv:2:3: 'x' is no number; expected numbers with commas between them"),
        ("1,2\n3,\n", r"v\.csv:2:3: '' is no number"),
        ("1,2\n\n3\n", r"v\.csv:3:1: 1 numbers, the rows above have 2"),
        ("1,2\n3,4\n", r"my_test\.toml:5:11: vectors must have the shape \(vectors, 16\).*got \(2, 2\)"),
        ("", r"my_test\.toml:5:11: vectors must have the shape"),
    ],
)
def test_mistakes_in_csv_files(load, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "v.csv").write_text(content)
    with pytest.raises(ExperimentError, match=message):
        load(SMALL_HALT + '[ilp.0]\nvectors = "v.csv"\n')


def test_an_array_of_text_is_refused(load, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.full((16, 16), "a"))
    with pytest.raises(ExperimentError, match=r"my_test\.toml:4:15: .*w\.npy holds <U1; expected numbers"):
        load(SMALL_HALT + 'weights.wp1 = "w.npy"\n')


def test_a_truncated_array_is_refused(load, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.zeros((16, 16)))
    whole = (tmp_path / "w.npy").read_bytes()
    for size in (0, 20, len(whole) // 2):
        (tmp_path / "w.npy").write_bytes(whole[:size])
        with pytest.raises(ExperimentError, match=r"my_test\.toml:4:15: .*w\.npy holds no array, or only part of one"):
            load(SMALL_HALT + 'weights.wp1 = "w.npy"\n')


# ---- the examples

#: Examples that show a mistake, and what the chip says.
WRONG = {"contention": "TILE 0 (square (0, 0)): contention (more than one driver) on net"}


def cases() -> list:
    found = []
    for path in sorted(EXAMPLES.glob("*.toml")):
        file = load_experiment(path)
        for engine in file.engines:
            marks = []
            if engine == "rtl":
                marks.append(pytest.mark.cosimulation)
                if file.experiment.config == preset("chip"):
                    marks += [pytest.mark.chip, pytest.mark.xdist_group("chip")]
            found.append(pytest.param(path, engine, marks=marks, id=f"{path.stem}-{engine}"))
    return found


@cache
def performed(path: Path, engine: str) -> Record:
    experiment = load_experiment(path).experiment
    engines = {"rtl": RtlEngine, "golden": GoldenEngine, "twin": lambda config: TwinEngine()}
    return engines[engine](experiment.config).perform([experiment])[0]


@pytest.mark.parametrize(("path", "engine"), cases())
def test_example(path: Path, engine: str) -> None:
    """Every example, on every engine that it names, with the same record on all of them."""
    file = load_experiment(path)
    record = performed(path, engine)
    if path.stem in WRONG:
        assert WRONG[path.stem] in record.error_report(file.experiment.config)
    else:
        assert not record.flagged
    reference = file.engines[-1]  # the golden model or the twin: cheap
    assert record.difference(performed(path, reference)) is None
    expected(path.stem, file.experiment, record)


@IN_EITHER_SIMULATOR
@pytest.mark.cosimulation
def test_small_examples_in_either_simulator(tool: str) -> None:
    paths = sorted(EXAMPLES.glob("*.toml"))
    files = {path.stem: load_experiment(path).experiment for path in paths}
    small = {name: experiment for name, experiment in files.items() if experiment.config == SMALL}
    assert len(small) >= 4
    records = RtlEngine(SMALL, tool=tool).perform(list(small.values()))
    golden = GoldenEngine(SMALL).perform(list(small.values()))
    for name, record, other in zip(small, records, golden, strict=True):
        assert record.difference(other) is None, name
        expected(name, small[name], record)


def expected(name: str, experiment: Experiment, record: Record) -> None:
    """What the comment of an example promises."""
    match name:
        case "multicast":
            for olp in range(experiment.config.domain_count):
                np.testing.assert_array_equal(record.results[olp][:2], experiment.vectors[4])
        case "mac":
            # A weight of 1 read for 1 ns moves the code by `gain`; the ramp crosses the precharge level, 0.75 V, at
            # `zero`.
            ideal = AnalogConfig.ideal()
            zero = (0.75 - 60 * 0.005) / ideal.volts_per_cycle(128)
            gain = ideal.volts_per_weight_ns(1) / ideal.volts_per_cycle(128)
            sums = experiment.vectors[0][0] @ experiment.weights[0].wp1[:16]
            (exact,) = TwinEngine().perform([replace(experiment, analog=ideal)])
            assert np.abs(exact.results[0][0] - (zero + gain * sums)).max() <= 1
            assert np.corrcoef(record.results[0][0], sums)[0, 1] > 0.95
            assert np.ptp(record.results[0][0]) > 50
        case "pass_over":
            np.testing.assert_array_equal(record.results[0][0], experiment.vectors[1][0])
            assert len(set(record.results[0][1].tolist())) == 1
            assert record.results[0][1][0] > 128
        case "masks":
            np.testing.assert_array_equal(record.results[0][0], [100] * 10 + [200] * 6)
        case "one_mac":
            assert record.results[0][0][:3].tolist() == [151, 104, 128]
        case "contention":
            assert record.error_cycle == 44
        case _:
            pytest.fail(f"say here what {name} promises")


def test_examples_name_all_engines() -> None:
    named = {engine for path in EXAMPLES.glob("*.toml") for engine in load_experiment(path).engines}
    assert named == set(ENGINES)
