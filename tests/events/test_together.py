"""Records of one call are written together."""

import threading

import telesink


def test_seed_S1_3_records_of_one_call_are_in_one_transaction_whatever_others_do(sqlite_store):
    """S1-9, S1-3: a batch may be larger than `batch_records_max` for it."""
    sqlite_store.script(
        "CREATE TABLE audit (what text, batch int);CREATE TABLE batches (number INTEGER PRIMARY KEY);"
    )
    groups, size = 200, 40
    table_map = telesink.TableMap("audit", {"what": "body"})
    with telesink.Pipeline(
        sqlite_store.dsn(),
        table_map=table_map,
        batch_records_max=50,
        linger_seconds=0.001,
        when_full="block",
    ) as pipeline:

        def talk():
            for number in range(groups * size):
                pipeline.enqueue({"body": f"alone {number}"})

        others = [threading.Thread(target=talk) for _ in range(2)]
        for other in others:
            other.start()
        seen = []
        for number in range(groups):
            pipeline.enqueue_many(
                [
                    {"body": f"group {number}", "level": "ERROR" if place == 3 else "INFO"}
                    for place in range(size)
                ]
            )
            ((count,),) = sqlite_store.sql("SELECT count(*) FROM audit WHERE what = ?", f"group {number}")
            seen.append(count)
        for other in others:
            other.join()
        assert pipeline.flush(30).complete

    # A reader sees all of a group or nothing of it.
    assert set(seen) <= {0, size}
    counts = sqlite_store.sql("SELECT count(*) FROM audit WHERE what LIKE 'group%' GROUP BY what")
    assert counts == [(size,)] * groups


def test_seed_S1_3_an_urgent_record_of_a_call_does_not_part_it(tmp_path):
    pipeline = telesink.Pipeline(f"sqlite:///{tmp_path}/app.db", linger_seconds=5)
    for _ in range(50):
        pipeline.enqueue_many(
            [{"body": "a", "level": "ERROR" if place == 0 else "INFO"} for place in range(100)]
        )
        assert pipeline.flush(30).complete
    assert pipeline._native.stats()["lanes"][0]["batches"] == 50
    pipeline.close()
