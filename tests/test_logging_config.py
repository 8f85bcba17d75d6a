"""Installed once, telesink stays: under every way in which logging is configured anew."""

import io
import logging
import logging.config
import sys

import pytest

import telesink

HANDLERS = {"telesink": {"class": "telesink.LogHandler", "dsn": "memory://", "level": "INFO"}}
# What a framework brings along that knows nothing of telesink.
FOREIGN = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "WARNING", "handlers": []},
}
FOREIGN_FILE = """
[loggers]
keys = root
[handlers]
keys =
[formatters]
keys =
[logger_root]
level = WARNING
handlers =
"""


def bodies():
    assert telesink.flush().complete
    return [record["body"] for record in telesink.recent(1_000)]


def test_a_handler_can_be_named_in_a_dict_config():
    logging.config.dictConfig(
        {**FOREIGN, "handlers": HANDLERS, "root": {"level": "DEBUG", "handlers": ["telesink"]}}
    )
    [handler] = [one for one in logging.getLogger().handlers if isinstance(one, telesink.LogHandler)]

    logging.getLogger("shop").info("paid")
    logging.getLogger("shop").debug("left out")

    assert handler.pipeline.flush().complete
    assert [record["body"] for record in handler.pipeline.recent()] == ["paid"]


def test_settings_and_options_can_stand_in_a_dict_config():
    options = {
        "class": "telesink.LogHandler",
        "dsn": "memory://",
        "records_max": 2,
        "queue_bytes_max": "8 MiB",
    }
    logging.config.dictConfig(
        {**FOREIGN, "handlers": {"t": options}, "root": {"handlers": ["t"], "level": 1}}
    )
    [handler] = [one for one in logging.getLogger().handlers if isinstance(one, telesink.LogHandler)]

    for number in range(5):
        logging.getLogger("shop").info("%d", number)

    assert handler.pipeline.flush().complete
    assert [record["body"] for record in handler.pipeline.recent()] == ["3", "4"]
    assert handler.pipeline.settings.queue_bytes_max == 8 * 2**20


def test_a_wrong_option_in_a_dict_config_says_so():
    config = {"class": "telesink.LogHandler", "dsn": "memory://", "record_max": 2}

    with pytest.raises(ValueError, match="Unable to configure handler 't'") as caught:
        logging.config.dictConfig({"version": 1, "handlers": {"t": config}})

    assert "did you mean `records_max`?" in str(caught.value.__cause__)


def test_a_handler_that_could_not_be_made_is_in_nobodys_way():
    """I8"""
    with pytest.raises(telesink.ConfigError) as caught:
        telesink.LogHandler("sqlit:///app.db")

    # Flushes every handler that `logging` knows, and the error still holds on to ours.
    logging.shutdown()
    assert caught.value.__traceback__


def test_a_handler_can_be_named_in_a_file_config():
    config = """
[loggers]
keys = root
[handlers]
keys = telesink
[formatters]
keys =
[logger_root]
level = INFO
handlers = telesink
[handler_telesink]
class = telesink.LogHandler
args = ("memory://", "INFO")
"""
    logging.config.fileConfig(io.StringIO(config), disable_existing_loggers=False)
    [handler] = [one for one in logging.getLogger().handlers if isinstance(one, telesink.LogHandler)]

    logging.getLogger("shop").info("paid")

    assert handler.pipeline.flush().complete
    assert [record["body"] for record in handler.pipeline.recent()] == ["paid"]


CONFIGURERS = {
    "dictConfig": lambda: logging.config.dictConfig(FOREIGN),
    "fileConfig": lambda: logging.config.fileConfig(
        io.StringIO(FOREIGN_FILE), disable_existing_loggers=False
    ),
    "basicConfig": lambda: logging.basicConfig(force=True, handlers=[logging.NullHandler()]),
}


@pytest.mark.parametrize("configure", CONFIGURERS.values(), ids=CONFIGURERS)
def test_records_after_a_new_configuration_arrive(configure, capfd):
    """I9"""
    telesink.install_logging("memory://")
    logging.getLogger("shop").warning("before")

    configure()
    logging.getLogger("shop").warning("after")

    assert bodies() == ["before", "after"]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("configure", CONFIGURERS.values(), ids=CONFIGURERS)
def test_a_configuration_may_come_again_and_again(configure):
    telesink.install_logging("memory://")

    for number in range(3):
        configure()
        logging.getLogger("shop").warning("%d", number)

    assert bodies() == ["0", "1", "2"]


def test_a_configuration_that_is_incremental_changes_nothing():
    telesink.install_logging("memory://")

    logging.config.dictConfig({"version": 1, "incremental": True, "root": {"level": "ERROR"}})
    logging.getLogger("shop").error("after")

    assert bodies() == ["after"]


def test_the_handlers_of_a_new_configuration_work_beside_it():
    telesink.install_logging("memory://")
    stream = io.StringIO()

    logging.basicConfig(force=True, stream=stream, format="%(message)s", level="INFO")
    logging.getLogger("shop").info("paid")

    assert bodies() == ["paid"]
    assert stream.getvalue() == "paid\n"


def test_a_handler_that_the_program_removes_stays_removed():
    handler = telesink.install_logging("memory://")

    logging.getLogger().removeHandler(handler)
    logging.getLogger("shop").error("not for us")

    assert bodies() == []
    assert handler not in logging.getLogger().handlers


def test_a_removed_handler_comes_back_with_the_next_installation():
    handler = telesink.install_logging("memory://")
    logging.getLogger().removeHandler(handler)

    assert telesink.install_logging("memory://") is handler
    logging.getLogger("shop").error("again")

    assert bodies() == ["again"]


def test_a_closed_handler_takes_the_next_record():
    """`close` is what a configurer calls on whatever it finds."""
    handler = telesink.install_logging("memory://")
    logging.getLogger("shop").warning("before")

    handler.close()
    logging.getLogger("shop").warning("after")

    assert bodies() == ["before", "after"]


def test_installing_twice_stores_once():
    """I29, S0-27"""
    first = telesink.install_logging("memory://")
    second = telesink.install_logging("memory://")
    logging.getLogger("shop").warning("once")

    assert first is second
    assert bodies() == ["once"]
    assert logging.getLogger().handlers.count(first) == 1


def test_another_destination_must_be_asked_for():
    telesink.install_logging("memory://")

    with pytest.raises(telesink.ConfigError, match=r"logging goes to memory already .*add=True"):
        telesink.install_logging("null://")

    telesink.install_logging("null://", add=True)
    logging.getLogger("shop").warning("to both")
    assert bodies() == ["to both"]
    assert [telesink.stats()[name].delivered for name in ("memory", "null")] == [1, 1]


def test_each_added_destination_has_its_own_level():
    telesink.install_logging("memory://", level="ERROR")
    telesink.install_logging("null://", level="DEBUG", add=True)

    for level in (logging.DEBUG, logging.INFO, logging.ERROR):
        logging.getLogger("shop").log(level, "paid")

    assert len(bodies()) == 1
    assert telesink.stats()["null"].delivered == 3


def test_after_a_shutdown_it_can_be_installed_anew():
    first = telesink.install_logging("memory://")
    telesink.shutdown()
    second = telesink.install_logging("null://")
    logging.getLogger("shop").warning("paid")

    assert first is not second
    assert telesink.flush().complete
    assert (first.stats().offered, second.stats().delivered) == (0, 1)


def test_the_loggers_level_is_lowered_and_restored():
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    telesink.install_logging("memory://", level="DEBUG")

    logging.getLogger("shop").debug("seen")

    assert bodies() == ["seen"]
    assert root.level == logging.DEBUG
    telesink.shutdown()
    assert root.level == logging.WARNING


def test_a_lower_level_is_left_alone():
    root = logging.getLogger()
    root.setLevel(5)

    telesink.install_logging("memory://", level="INFO")
    logging.getLogger("shop").debug("below")
    telesink.shutdown()

    assert root.level == 5


def test_a_level_that_the_program_changed_meanwhile_is_kept():
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    telesink.install_logging("memory://", level="DEBUG")
    root.setLevel(logging.ERROR)

    telesink.shutdown()

    assert root.level == logging.ERROR


def test_one_logger_can_be_chosen():
    handler = telesink.install_logging("memory://", logger="shop", level="DEBUG")

    logging.getLogger("shop.cart").debug("inside")
    logging.getLogger("other").error("outside")

    assert bodies() == ["inside"]
    assert handler not in logging.getLogger().handlers
    telesink.shutdown()
    assert handler not in logging.getLogger("shop").handlers
    assert logging.getLogger("shop").level == logging.NOTSET


def test_loggers_that_do_not_propagate_can_be_added():
    apart = logging.getLogger("apart")
    apart.propagate = False

    telesink.install_logging("memory://", loggers=["apart"])
    apart.info("seen")

    assert bodies() == ["seen"]
    telesink.shutdown()
    assert apart.handlers == []


@pytest.mark.parametrize("propagate", [True, False])
def test_a_record_that_passes_twice_is_stored_once(propagate):
    apart = logging.getLogger("apart")
    apart.propagate = propagate

    telesink.install_logging("memory://", loggers=["apart", "apart.below"])
    logging.getLogger("apart.below").info("once")

    assert bodies() == ["once"]


def test_existing_loggers_that_a_configuration_disables_are_the_programs_choice():
    logger = logging.getLogger("shop.existing")
    telesink.install_logging("memory://")

    logging.config.dictConfig({**FOREIGN, "disable_existing_loggers": True})
    logger.error("disabled")
    logging.getLogger("shop.new").error("enabled")

    assert bodies() == ["enabled"]


def test_filters_decide(recorder):
    recorder.handler.addFilter(logging.Filter("shop.cart"))
    for name in ("shop", "shop.cart", "shop.cart.item"):
        recorder.logger.name = name
        recorder.logger.info(name)

    assert [record["body"] for record in recorder.records()] == ["shop.cart", "shop.cart.item"]


def test_a_removed_filter_decides_no_more(recorder):
    def nothing(record):
        return False

    recorder.handler.addFilter(nothing)
    recorder.logger.info("left out")
    recorder.handler.removeFilter(nothing)
    recorder.logger.info("kept")

    assert recorder.only()["body"] == "kept"


def test_a_filter_may_change_the_record(recorder):
    def mark(record):
        record.tenant = "acme"
        return True

    recorder.handler.addFilter(mark)
    recorder.logger.info("paid")

    assert recorder.attributes()["tenant"] == "acme"


def test_a_filter_may_answer_another_record(recorder):
    """The standard library's own `Handler.filter` knows that since Python 3.12."""
    recorder.handler.addFilter(lambda record: logging.makeLogRecord({**vars(record), "msg": "replaced"}))
    recorder.logger.info("paid")

    assert recorder.only()["body"] == ("replaced" if sys.version_info >= (3, 12) else "paid")


def test_a_formatter_changes_nothing(recorder):
    recorder.handler.setFormatter(logging.Formatter("%(levelname)s! %(message)s"))

    recorder.logger.info("paid")

    assert recorder.only()["body"] == "paid"


def test_a_subclass_may_look_at_every_record():
    class Counting(telesink.LogHandler):
        seen = 0

        def emit(self, record):
            self.seen += 1
            super().emit(record)

    handler = Counting("memory://")
    logger = logging.Logger("shop", 1)
    logger.addHandler(handler)

    logger.info("paid")

    assert handler.seen == 1
    assert handler.pipeline.flush().complete
    assert len(handler.pipeline.recent()) == 1


def test_the_handler_shows_where_it_writes():
    assert repr(telesink.LogHandler("memory://", "INFO")) == "<telesink.LogHandler memory (INFO)>"
