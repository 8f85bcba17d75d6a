//! The sink contract for Postgres, on a server of its own.
#![cfg(unix)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::contract::{self, Mend, SECRET, Subject};
use support::postgres::Server;
use support::records::{info, span, sum};
use telesink_core::record::Record;
use telesink_core::settings::Settings;

#[test]
fn the_postgres_sink_keeps_the_contract() {
    let server = Rc::new(Server::start());
    for dedupe in ["ledger", "id"] {
        let name = format!("contract_{dedupe}");
        server.sql("postgres", &format!("CREATE DATABASE {name}")).expect("a database");
        let dsn = server.dsn(&name).replace("postgres@", &format!("postgres:{SECRET}@"));
        let plan = support::plan(&format!("{dsn}?dedupe={dedupe}"));
        let [for_reading, for_counting, for_breaking] = [(); 3].map(|()| Rc::clone(&server));
        let [read_name, count_name, break_name] = [(); 3].map(|()| name.clone());

        contract::check(Subject {
            plan,
            read: Some(Box::new(move || bodies_in(&for_reading, &read_name))),
            count: Some(Box::new(move || rows_in(&for_counting, &count_name))),
            break_it: Some(Box::new(move || close_the_door(&for_breaking, &break_name))),
            has_ledger: true,
        });
    }
}

fn bodies_in(server: &Server, database: &str) -> Vec<String> {
    // As hexadecimal digits, because psql leaves some characters out of what it shows.
    let sql = "SELECT encode(convert_to(coalesce(json_agg(body ORDER BY seq), '[]')::text, 'UTF8'), 'hex') \
               FROM telesink_logs";
    let Ok(digits) = server.sql(database, sql) else { return Vec::new() };
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    let text: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    serde_json::from_slice(&text).expect("a list of texts")
}

fn rows_in(server: &Server, database: &str) -> [u64; 3] {
    ["telesink_logs", "telesink_spans", "telesink_metrics"].map(|table| {
        let count = server.sql(database, &format!("SELECT count(*) FROM {table}")).expect("counted");
        count.parse().expect("a number")
    })
}

/// Lets nobody into the database and sends away who is in; mending undoes the first.
fn close_the_door(server: &Rc<Server>, database: &str) -> Mend {
    let allow = |server: &Server, database: &str, is_allowed: bool| {
        let sql = format!("ALTER DATABASE {database} ALLOW_CONNECTIONS {is_allowed}");
        server.sql("postgres", &sql).expect("altered");
    };
    allow(server, database, false);
    let send_away =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
    server.sql("postgres", &send_away).expect("sent away");
    let (server, database) = (Rc::clone(server), database.to_owned());
    Box::new(move || allow(&server, &database, true))
}

/// A lost answer to a COMMIT: a batch of all signals is asked for again, and stored once.
#[test]
fn a_batch_of_all_signals_survives_the_loss_of_the_answer_to_its_commit() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE lost_answer").expect("a database");
    let proxy = Proxy::before(&server.dsn("lost_answer"));
    let settings = Settings { batch_records_max: 4, linger: Some(support::NEVER), ..support::eager() };
    let pipeline = support::pipeline(support::plan(&proxy.dsn), settings);
    let offer = |records: &[Record]| {
        for record in records {
            assert!(support::offer(&pipeline, record));
        }
        support::flush(&pipeline);
    };

    // Makes the tables and their partitions, by transactions of their own.
    offer(&[info("1"), span("2"), sum("3", &[1.0]), info("4")]);
    proxy.lose_next_answer();
    offer(&[info("5"), span("6"), sum("7", &[1.0, 2.0]), span("8")]);

    let lane = support::lane(&pipeline);
    assert!(proxy.has_lost(), "no COMMIT came by");
    assert_eq!((lane.delivered, lane.duplicates_suppressed, lane.dropped.total()), (8, 4, 0));
    assert_eq!(rows_in(&server, "lost_answer"), [3, 3, 3]);
}

/// Stands between the sink and its server.
struct Proxy {
    dsn: String,
    loses: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
}

impl Proxy {
    fn before(dsn: &str) -> Self {
        let (_, rest) = dsn.split_once('@').expect("a user");
        let (target, database) = rest.split_once('/').expect("a database");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (loses, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (target, flags) = (target.to_owned(), (Arc::clone(&loses), Arc::clone(&lost)));
        support::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&target).expect("the server");
                let (client_too, server_too) =
                    (client.try_clone().expect("a copy"), server.try_clone().expect("a copy"));
                let flags = flags.clone();
                let is_cut = Arc::new(AtomicBool::new(false));
                let cut = Arc::clone(&is_cut);
                support::spawn(move || {
                    pump(client, server, |bytes| {
                        if has_commit(bytes) && flags.0.swap(false, Ordering::AcqRel) {
                            is_cut.store(true, Ordering::Release);
                        }
                        true
                    });
                });
                let lost = Arc::clone(&flags.1);
                support::spawn(move || {
                    pump(server_too, client_too, |bytes| {
                        // The answer has come, so the batch is stored; nobody hears of it.
                        let is_answer = cut.load(Ordering::Acquire) && has_commit(bytes);
                        lost.fetch_or(is_answer, Ordering::AcqRel);
                        !is_answer
                    });
                });
            }
        });
        Self { dsn: format!("postgresql://postgres@127.0.0.1:{port}/{database}"), loses, lost }
    }

    fn lose_next_answer(&self) {
        self.loses.store(true, Ordering::Release);
    }

    fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

/// The statement, or the server's word that it is done.
fn has_commit(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|part| part == b"COMMIT\0")
}

/// Passes bytes on as long as `sees` lets them by; then both ends are closed.
fn pump(mut from: TcpStream, mut to: TcpStream, mut sees: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !sees(&buffer[..count]) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // One of them may be closed already.
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
