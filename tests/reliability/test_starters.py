"""Many processes, however they were started, share one destination."""

from delivery.programs import FORK, INSTALL

SPAWNED = """
import logging, multiprocessing
from delivery.subject_side import DSN, in_threads, log_many, tell
import telesink

telesink.install_logging(DSN)
log = logging.getLogger("spawned")

def work(number):
    in_threads(lambda thread: log_many(log, thread, 1000))

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=(number,)) for number in range(4)]
    for process in processes:
        process.start()
    log_many(log, 0, 1000)
    for process in processes:
        process.join()
    tell([process.exitcode for process in processes])
"""


def test_F13_four_spawned_processes_write_one_file_side_by_side(subjects):
    subject = subjects.run(SPAWNED)

    assert subject.hear() == [0] * 4
    rows, keys = subjects.rows(), subjects.keys()
    assert len(keys) == 1000 + 4 * 4 * 1000
    rows.check_exactly(keys)
    rows.check_dense()
    assert len(rows.seqs) == 5
    assert all(len(instances) == 1 for instances in rows.instances.values())


SWARM = f"""{FORK}
telesink.install_logging(sys.argv[1])
codes = reap([forked(log_many, log, 9, 1) for _ in range(200)])
tell([codes.count(0), telesink.stats()["postgresql"].offered])
"""


def test_F17_200_children_with_one_record_each_all_get_it_into_a_server_with_20_connections(
    subjects, make_server
):
    server = make_server(max_connections=20)
    # Long enough that no child gives up; the whole swarm has a minute.
    dsn = server.dsn(exit_timeout_seconds=60)

    subject = subjects.start(SWARM, dsn)

    assert subject.hear(60) == [200, 0]
    assert subject.ends() == 0
    rows = server.sql("SELECT body FROM telesink_logs WHERE logger <> 'telesink'")
    stored = [tuple(map(int, body.split())) for (body,) in rows]
    assert len(stored) == 200
    assert sorted(stored) == sorted(subjects.keys())


BETWEEN = f"""{INSTALL}
import itertools, subprocess
telesink.install_logging(DSN)
counter = itertools.count()

def log_something():
    # Python's own hooks run before this, so the record belongs to the child; exec takes it away again.
    log.info("%d 8 %d", os.getpid(), next(counter))

for number in range(int(sys.argv[1])):
    log_many(log, 0, 1, number)
    assert subprocess.run(["true"], preexec_fn=log_something).returncode == 0
tell("ok")
"""


def test_F19_a_record_between_fork_and_exec_holds_nobody_up(subjects):
    subject = subjects.start(BETWEEN, 500)

    assert subject.hear(120) == "ok"
    assert subject.ends() == 0
    rows, keys = subjects.rows(), subjects.keys()
    rows.check_once()
    # Records of children that exec'ed at once may be gone, those of the program may not.
    assert [key for key in rows.keys if key[0] == subject.pid] == keys
    assert subject.own_lines == []
