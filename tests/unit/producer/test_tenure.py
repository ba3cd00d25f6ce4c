from producer.tenure import LEASE_S, PROVE_EVERY_S, SESSION_S, Tenure


def held(at_s=100.0):
    tenure = Tenure()
    tenure.gained()
    assert tenure.is_due(at_s)
    tenure.proved(1, at_s)
    return tenure


def test_what_was_given_is_not_proved_until_kafka_takes_a_commit():
    tenure = Tenure()
    tenure.gained()
    assert not tenure.fresh(100.0)
    tenure.proved(1, 100.0)
    assert tenure.fresh(100.0)


def test_proof_holds_from_when_it_was_asked_and_ends_before_the_session_can():
    assert held(100.0).fresh(100.0 + LEASE_S - 0.01)
    assert not held(100.0).fresh(100.0 + LEASE_S)
    assert LEASE_S < SESSION_S - 1


def test_proof_is_asked_for_once_a_second_and_only_while_the_lease_is_held():
    tenure = Tenure()
    assert not tenure.is_due(100.0)
    tenure.gained()
    assert [tenure.is_due(100.0 + t) for t in (0.0, 0.5, PROVE_EVERY_S, 1.5, 2.0)] == [True, False, True, False, True]


def test_lost_lease_is_not_fresh_whatever_was_proved():
    tenure = held()
    tenure.lost()
    assert not tenure.fresh(100.1)


def test_proof_of_a_term_that_is_over_proves_nothing_of_the_next():
    tenure = held()
    tenure.lost()
    tenure.gained()
    tenure.proved(1, 101.0)
    assert not tenure.fresh(101.0)
    tenure.proved(2, 101.0)
    assert tenure.fresh(101.0)


def test_older_answer_does_not_shorten_a_newer_proof():
    tenure = held(100.0)
    tenure.proved(1, 103.0)
    tenure.proved(1, 101.0)
    assert tenure.fresh(106.0)
