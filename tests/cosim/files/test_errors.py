"""Messages for users are of a readable length."""

from cosim.files.errors import OutputError, UserError


def test_a_message_is_told_as_it_is() -> None:
    assert str(UserError("file x: no matrix; expected one")) == "file x: no matrix; expected one"
    assert str(OutputError(28, "No space left", "x")) == "[Errno 28] No space left: 'x'"


def test_of_a_line_without_end_beginning_and_end_are_told() -> None:
    told = str(UserError(f"file x: no unit {'9' * 100_000}; this chip has 34"))
    assert told.startswith("file x: no unit 999")
    assert told.endswith("999; this chip has 34")
    assert " ... " in told
    assert len(told) < 2000


def test_a_log_is_told_whole() -> None:
    log = "last lines:\n" + "a step\n" * 1000
    assert str(UserError(log)) == log
