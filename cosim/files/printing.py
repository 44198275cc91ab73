"""Results for people, on a console."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["print_table"]


def print_table(console: Console, title: str, table: Table) -> None:
    """Print a table with a line above it; rich would wrap a title to the width of the table."""
    console.print(Text(title, style="italic"), soft_wrap=True)
    console.print(table)
