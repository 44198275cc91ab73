"""Tables of a sweep as files: Parquet where pyarrow is installed, CSV elsewhere."""

import csv
import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from cosim.files.archive import replacing, write_text
from cosim.files.extras import needed
from cosim.sweep.points import Cell

__all__ = ["Row", "read_table", "write_table"]

Row = Mapping[str, Cell]


def write_table(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows, whole or not at all; the same rows give the same bytes.

    Parameters
    ----------
    path : Path
        Without a suffix.
    rows : sequence of mappings
        With the same names, in the same order. Numbers are written exactly.

    Returns
    -------
    Path
        With `.parquet` or `.csv`; a table of the other kind that stood there is removed.

    Raises
    ------
    OutputError
    """
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        written, other = path.with_suffix(".csv"), path.with_suffix(".parquet")
        write_text(written, _csv(rows))
    else:
        written, other = path.with_suffix(".parquet"), path.with_suffix(".csv")
        with replacing(written) as part:
            parquet.write_table(_arrow(arrow, rows), part)
    other.unlink(missing_ok=True)
    return written


def read_table(path: Path) -> list[dict[str, Cell]]:
    """Rows that `write_table` wrote; of CSV all cells are texts.

    Parameters
    ----------
    path : Path
        Without a suffix.

    Raises
    ------
    FileNotFoundError
    MissingPackage
        Of a Parquet file without pyarrow.
    ValueError
        If the file is no such table.
    """
    written = path.with_suffix(".parquet")
    if not written.exists():
        with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
            return [dict(row) for row in csv.DictReader(file)]
    parquet = needed("pyarrow.parquet", "cluster", "reading a sweep's table")
    rows: list[dict[str, Cell]] = parquet.read_table(written).to_pylist()  # ArrowInvalid is a ValueError
    return rows


def _csv(rows: Sequence[Row]) -> str:
    """RFC 4180; a float as the shortest text that gives it again, nothing where there is no figure."""
    text = io.StringIO()
    names = list(rows[0]) if rows else []
    writer = csv.writer(text)
    writer.writerow(names)
    for row in rows:
        writer.writerow(
            "" if (value := row[name]) is None else repr(value) if isinstance(value, float) else value for name in names
        )
    return text.getvalue()


def _arrow(arrow: Any, rows: Sequence[Row]) -> Any:
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return arrow.table({name: arrow.array(values, _kind(arrow, values)) for name, values in columns.items()})


def _kind(arrow: Any, values: Sequence[Cell]) -> Any:
    """Type of a column: of all its values, whatever stands in the first rows."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int}:
        return (
            arrow.int64()
            if all(value is None or -(1 << 63) <= int(value) < 1 << 63 for value in values)
            else (arrow.uint64())
        )
    return arrow.float64() if kinds <= {int, float} else arrow.string()
