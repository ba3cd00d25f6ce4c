from deploy.simulator.ledger import Entry, Ledger


def test_every_print_is_sent_or_lost_and_repeats_are_counted_apart():
    ledger = Ledger()
    trade, update, lost = Entry("A", 1, 1.0, 2.0, 5), Entry("B", 1, 1.0, 0.0, 5), Entry("A", 2, 1.0, 1.0, 6)
    for entry in (trade, update, lost):
        ledger.made(entry)
    for entry in (trade, update, trade, update, trade):
        ledger.sent(entry, 9)
    ledger.never_sent(lost, "silent")
    s = ledger.summary()
    assert (s["trades_generated"], s["trades_sent"], s["trades_lost"], s["repeats_sent"]) == (2, 1, 1, 2)
    assert (s["updates_generated"], s["updates_sent"], s["updates_lost"], s["update_repeats_sent"]) == (1, 1, 0, 1)
    assert (trade.sent_us, trade.times, lost.sent_us, lost.lost) == (9, 3, 0, "silent")


def test_only_cuts_and_silences_are_outages():
    ledger = Ledger()
    for kind in ("drop", "silent", "repeat", "malformed", "pause"):
        ledger.fault({"kind": kind}, 7)
    assert ledger.summary()["outages_injected"] == 2
    assert [f["kind"] for f in ledger.faults] == ["drop", "silent", "repeat", "malformed", "pause"]


def test_old_entries_go_and_their_sums_stay():
    ledger = Ledger(max_entries=2)
    for n in range(5):
        ledger.made(Entry("A", n, 1.0, 1.0, n))
    assert [e.t for e in ledger.entries] == [3, 4]
    assert ledger.summary()["trades_generated"] == 5
