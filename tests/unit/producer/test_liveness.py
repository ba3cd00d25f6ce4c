from producer.liveness import Liveness


def watched():
    liveness = Liveness(transport_s=45, feed_s=150)
    liveness.connected(1000)
    return liveness


def test_new_connection_has_its_full_time():
    assert watched().judge(1045) == "alive"
    assert watched().judge(1045.1) == "dead"


def test_pongs_keep_the_link_alive_but_not_the_feed():
    liveness = watched()
    for now in range(1000, 1200, 20):
        liveness.heard(now, text=False)
        assert liveness.judge(now) == ("alive" if now <= 1150 else "stale")


def test_frames_keep_both_alive():
    liveness = watched()
    for now in range(1000, 2000, 40):
        liveness.heard(now, text=True)
        assert liveness.judge(now + 39) == "alive"
