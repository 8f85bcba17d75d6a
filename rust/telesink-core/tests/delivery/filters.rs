//! Which lane gets which record, and what is asked before a record is captured at all.

use crate::support::records::{Draft, info};
use crate::support::script::{Answer, Script};
use crate::support::{
    LIMIT, assert_balanced, assert_dropped, batches_of, eager, empty_pipeline, flush, lane, offer, offer_all,
    pipeline, spec,
};
use telesink_core::clock;
use telesink_core::lane::{Impatient, LaneSpec};
use telesink_core::pipeline::Pipeline;
use telesink_core::sinks::Route;
use telesink_core::stats::DropCause;

fn filtered(name: &str, script: &Script, level: i32, include: &[&str], exclude: &[&str]) -> LaneSpec {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    LaneSpec { level, include: owned(include), exclude: owned(exclude), ..spec(name, script.plan(), eager()) }
}

fn log(pipeline: &Pipeline, logger: &str, levelno: i32, body: &str) {
    let record = Draft::new(body).level(levelno).build();
    assert!(pipeline.offer(levelno, logger, &record, &Impatient));
}

#[test]
fn each_lane_gets_what_its_filters_admit() {
    let (all, errors, shop, quiet) =
        (Script::storing(), Script::storing(), Script::storing(), Script::storing());
    let pipeline = empty_pipeline();
    pipeline.add_lane(filtered("all", &all, 0, &[], &[])).expect("added");
    pipeline.add_lane(filtered("errors", &errors, 40, &[], &[])).expect("added");
    pipeline.add_lane(filtered("shop", &shop, 0, &["shop"], &["shop.noise"])).expect("added");
    pipeline.add_lane(filtered("quiet", &quiet, 30, &[], &["shop"])).expect("added");

    log(&pipeline, "shop", 20, "a");
    log(&pipeline, "shop.cart", 40, "b");
    log(&pipeline, "shop.noise.deep", 50, "c");
    log(&pipeline, "shopping", 30, "d");
    log(&pipeline, "", 10, "e");
    flush(&pipeline);

    assert_eq!(all.bodies(), ["a", "b", "c", "d", "e"]);
    assert_eq!(errors.bodies(), ["b", "c"]);
    assert_eq!(shop.bodies(), ["a", "b"]);
    assert_eq!(quiet.bodies(), ["d"]);
    assert_balanced(&pipeline.stats());
}

#[test]
fn the_pipeline_wants_what_any_lane_wants() {
    let pipeline = empty_pipeline();
    let before = (pipeline.level(), pipeline.view().wants(1, "anything"));
    pipeline.add_lane(filtered("errors", &Script::storing(), 40, &[], &["noise"])).expect("added");
    pipeline.add_lane(filtered("shop", &Script::storing(), 20, &["shop"], &[])).expect("added");

    assert_eq!(before, (0, true));
    assert_eq!(pipeline.level(), 20);
    let table = [
        ("shop", 20, true),
        ("shop", 10, false),
        ("other", 20, false),
        ("other", 40, true),
        ("noise", 40, false),
        ("noise.deep", 50, false),
    ];
    for (logger, levelno, expected) in table {
        assert_eq!(pipeline.view().wants(levelno, logger), expected, "{logger} at {levelno}");
    }
}

#[test]
fn the_level_of_a_lane_changes_while_it_runs() {
    let script = Script::storing();
    let pipeline = empty_pipeline();
    pipeline.add_lane(filtered("only", &script, 30, &[], &[])).expect("added");

    log(&pipeline, "app", 20, "too low");
    assert!(pipeline.set_level("only", 20));
    log(&pipeline, "app", 20, "high enough");
    flush(&pipeline);

    assert_eq!(pipeline.level(), 20);
    assert_eq!(script.bodies(), ["high enough"]);
    assert!(!pipeline.set_level("nobody", 0));
}

#[test]
fn a_pipeline_that_nobody_listens_to_wants_nothing() {
    let pipeline = pipeline(Script::storing().plan(), eager());
    pipeline.remove_lane("only", clock::monotonic() + LIMIT).expect("it is there");

    assert!(!pipeline.view().wants(50, "app"));
    // Whoever does not ask first is not punished: taken, and routed nowhere.
    assert!(offer(&pipeline, &info("into the void")));
    assert_balanced(&pipeline.stats());
}

#[test]
fn filters_hold_for_records_that_waited_for_the_first_lane() {
    let script = Script::storing();
    let pipeline = empty_pipeline();
    log(&pipeline, "shop", 40, "kept");
    log(&pipeline, "other", 40, "not meant for it");
    log(&pipeline, "shop", 10, "too low");

    pipeline.add_lane(filtered("shop", &script, 20, &["shop"], &[])).expect("added");
    flush(&pipeline);

    assert_eq!(script.bodies(), ["kept"]);
    assert_balanced(&pipeline.stats());
}

#[test]
fn records_that_a_sink_has_no_place_for_are_counted_and_do_not_stop_the_others() {
    let script =
        Script::routing(|record| (record.header().levelno != 30).then_some(Route::Logs), |_| Answer::Store);
    let pipeline = pipeline(script.plan(), batches_of(4));

    for (body, levelno) in [("a", 20), ("no place", 30), ("b", 40), ("no place", 30)] {
        assert!(offer(&pipeline, &Draft::new(body).level(levelno).build()));
    }
    flush(&pipeline);

    assert_eq!(script.bodies(), ["a", "b"]);
    assert_dropped(&lane(&pipeline), DropCause::Unrouted, 2);
    assert_balanced(&pipeline.stats());
}

#[test]
fn a_batch_of_several_routes_is_grouped_by_route_and_each_keeps_its_order() {
    let script = Script::routing(
        |record| Some(if record.header().levelno >= 30 { Route::Traces } else { Route::Logs }),
        |_| Answer::Store,
    );
    let pipeline = pipeline(script.plan(), batches_of(5));

    for (body, levelno) in [("a", 20), ("b", 20), ("c", 40), ("d", 40), ("e", 20)] {
        assert!(offer(&pipeline, &Draft::new(body).level(levelno).build()));
    }
    flush(&pipeline);

    let calls: Vec<(Route, String)> =
        script.calls().iter().map(|call| (call.route, call.bodies.concat())).collect();
    let expected = [(Route::Logs, "abe"), (Route::Traces, "cd")];
    assert_eq!(calls, expected.map(|(route, bodies)| (route, bodies.to_owned())));
}

#[test]
fn lanes_without_filters_take_everything_down_to_level_zero() {
    let script = Script::storing();
    let pipeline = pipeline(script.plan(), eager());

    log(&pipeline, "", 0, "without level or logger");
    offer_all(&pipeline, ["usual"]);
    flush(&pipeline);

    assert_eq!(script.bodies(), ["without level or logger", "usual"]);
}
