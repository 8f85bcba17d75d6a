//! The sink contract for Postgres, on a server of its own.
#![cfg(unix)]

mod support;

use std::rc::Rc;
use support::contract::{self, Mend, SECRET, Subject};
use support::postgres::Server;

#[test]
fn the_postgres_sink_keeps_the_contract() {
    let server = Rc::new(Server::start());
    for dedupe in ["ledger", "id"] {
        let name = format!("contract_{dedupe}");
        server.sql("postgres", &format!("CREATE DATABASE {name}")).expect("a database");
        let dsn = server.dsn(&name).replace("postgres@", &format!("postgres:{SECRET}@"));
        let plan = support::plan(&format!("{dsn}?dedupe={dedupe}"));
        let (for_reading, for_breaking) = (Rc::clone(&server), Rc::clone(&server));
        let (read_name, break_name) = (name.clone(), name.clone());

        contract::check(Subject {
            plan,
            read: Some(Box::new(move || bodies_in(&for_reading, &read_name))),
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
