import pytest

from producer.symbols import parse_symbols


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        (" AAPL,IC MARKETS:1 ,, BINANCE:BTCUSDT,AAPL", ("AAPL", "IC MARKETS:1", "BINANCE:BTCUSDT")),
        ("# ours\nAAPL\nMSFT, IBM  # and two more\n\nAAPL", ("AAPL", "MSFT", "IBM")),
    ],
)
def test_symbols_are_parted_by_commas_and_lines_and_kept_once(text, symbols):
    assert parse_symbols(text, 50) == symbols


def test_as_many_as_the_plan_delivers_are_taken_and_one_more_is_refused():
    names = [f"S{i}" for i in range(51)]
    assert len(parse_symbols(",".join(names[:50]), 50)) == 50
    with pytest.raises(ValueError, match="names 51 symbols; the plan delivers 50"):
        parse_symbols(",".join(names), 50)


@pytest.mark.parametrize("text", ["", " , ", "# nothing but a comment", "A\x07"])
def test_text_without_usable_symbols_is_refused(text):
    with pytest.raises(ValueError, match=r"^(names no|holds a)"):
        parse_symbols(text, 50)
