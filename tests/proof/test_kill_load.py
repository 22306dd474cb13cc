"""kill -9, again and again, under an idempotent load: what was acknowledged is there, once, in order."""

import time

from campaign import Load, begin, length, say, steady_server

CHECKS = 5  # on the way: each reads everything


def one_life(server, load, rng):
    """Until a while after the load has got on; sometimes a life ends before the server is ready."""
    load.running()
    load.account.wait_for_more(rng.randrange(1, 1000))
    time.sleep(rng.uniform(0, 0.5))  # not to wait for anything: the kill comes at any time
    server.kill()
    if rng.random() < 0.2:
        server.start(wait=False)
        time.sleep(rng.uniform(0, 0.2))
        server.kill()
    server.start()


def ends_rose(before, after):
    assert all(a >= b for a, b in zip(after, before)), f"a partition's end went back: {before}, then {after}"
    return after


def test_kill_9_under_idempotent_load_loses_and_doubles_nothing():
    kills = max(CHECKS, length(30, 500))
    rng = begin(f"{kills} x kill -9 under load")
    server = steady_server()
    load = Load(server, rate=2000)
    ends = []
    for n in range(1, kills + 1):
        one_life(server, load, rng)
        if n % (kills // CHECKS) == 0:
            ends = ends_rose(ends, load.check(server)["ends"])
    sent = load.stop()
    found = load.check(server)
    ends_rose(ends, found["ends"])
    assert found["records"] == found["acked_found"] == sent["sent"], (found, sent)
    say(f"{kills} kills; {found['acked']} records acknowledged, all found, none twice")
