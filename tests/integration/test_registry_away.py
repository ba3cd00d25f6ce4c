"""Producer and processor are started while no registry answers: with pinned ids they work, without they say why not."""

import json

import pytest

from deploy.cli import subjects
from schemas import timeframes
from schemas.registry import Registry
from tests.support.published import candles, corner, trades
from tests.support.services import Service, candlewick, wait_until

pytestmark = pytest.mark.integration
M = 60_000_000
NOWHERE = "http://127.0.0.1:1/apis/ccompat/v7"


def test_services_start_with_pinned_ids_while_the_registry_is_away(stack, tmp_path):
    with corner(stack) as space:
        ids = subjects.apply(Registry(space.registry), space.prefix, timeframes.parse_list("1m")).ids
        away = {**space.env, "CANDLEWICK_REGISTRY": NOWHERE}
        pinned = {**away, "CANDLEWICK_SCHEMA_IDS": json.dumps(ids)}
        file = tmp_path / "f.jsonl"
        lines = [{"type": "trade", "symbol": "A", "event_time_us": n * M + 1, "price": n, "size": 1} for n in (1, 2, 3)]
        file.write_text("\n".join(map(json.dumps, lines)))
        candlewick(away, "replay", str(file), "--source", "rec", status=1)
        assert not trades(space, "rec")
        processor = Service("processor", pinned, tmp_path).start()
        try:
            candlewick(pinned, "replay", str(file), "--source", "rec", "--finish")
            # Read with the registry, whose word on the ids is the last.
            assert [t.price for t in trades(space, "rec")] == [1.0, 2.0, 3.0]
            final = lambda: {c.close for c in candles(space, "1m") if c.state == "final"}  # noqa: E731 - one expression
            wait_until(lambda: final() == {1.0, 2.0, 3.0}, 60, "the candles", [processor])
            assert processor.stop() == 0
        finally:
            processor.discard()
