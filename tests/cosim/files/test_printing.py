"""Results for people, on a console."""

from rich.console import Console
from rich.table import Table

from cosim.files.printing import print_table


def test_a_title_is_one_line_however_narrow_the_table(capsys) -> None:
    """And no markup: the name of a folder may be part of it."""
    table = Table("a", box=None, pad_edge=False)
    table.add_row("b")
    title = "3 of 1,000 utterances of [red]folder, of 2 speakers, 3 s (seed 0)"
    print_table(Console(width=20), title, table)
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [title, "a", "b"]
