//! The exact words.

use super::*;

#[test]
fn a_connection_that_fails_is_told_in_one_line_with_the_next_step() {
    let lost = |text: &str| Cause::Lost(text.to_owned());
    let table = [
        (
            Phase::Resolve,
            Cause::UnknownHost(
                "db (failed to lookup address information: Name or service not known)".to_owned(),
            ),
            Hold,
            "while looking up the host: the host is not known: db (failed to lookup address information: Name or \
             service not known); check the name of the host",
        ),
        (
            Phase::Resolve,
            Cause::UnknownHost("db (Temporary failure in name resolution)".to_owned()),
            Retry,
            "while looking up the host: the host is not found: db (Temporary failure in name resolution); check the \
             name servers of this machine, or give the address as `hostaddr=`",
        ),
        (
            Phase::Connect,
            lost("10.0.0.7:5432: Connection refused (os error 111)"),
            Retry,
            "while connecting: 10.0.0.7:5432: Connection refused (os error 111); is the server running there? check \
             host and port",
        ),
        (
            Phase::Connect,
            lost("/run/postgresql/.s.PGSQL.5432: No such file or directory (os error 2)"),
            Retry,
            "while connecting: /run/postgresql/.s.PGSQL.5432: No such file or directory (os error 2); is the server \
             running there? check host and port",
        ),
        (
            Phase::Connect,
            Cause::Timeout(LIMIT),
            Retry,
            "while connecting: no answer within 5s; check host and port, and whether a firewall drops the packets",
        ),
        (
            Phase::Tls,
            Cause::NoTls,
            Hold,
            "while setting up TLS: the server does not do TLS; switch it on in the server (`ssl = on`), or allow \
             plain text with `sslmode=prefer`",
        ),
        (
            Phase::Tls,
            Cause::Untrusted("its certificate has expired".to_owned()),
            Hold,
            "while setting up TLS: its certificate has expired; name the authority to trust with `sslrootcert=FILE`, \
             or encrypt without checking whose server it is: `sslmode=require`",
        ),
        (
            Phase::Authenticate,
            Cause::NoPassword,
            Hold,
            "while logging in: the server asks for a password and there is none; give it as `password=`, in \
             PGPASSWORD or in a password file",
        ),
        (
            Phase::Authenticate,
            Cause::WrongServer("db:5432 is a standby".to_owned()),
            Retry,
            "while logging in: db:5432 is a standby; wait for the failover, name the primary, or choose another \
             `target_session_attrs`",
        ),
    ];
    for (phase, cause, kind, text) in table {
        assert_eq!(judged(Failure::new(phase, cause)), (kind, text.to_owned()));
    }
}

#[test]
fn a_write_that_fails_is_told_in_one_line_with_the_next_step() {
    let config =
        Cause::Config { message: "the table has version 9".to_owned(), hint: "upgrade telesink".to_owned() };
    let table = [
        (
            Phase::Schema,
            config,
            Hold,
            "while looking at the tables: the table has version 9; upgrade telesink",
        ),
        (
            Phase::Guard,
            Cause::Timeout(LIMIT),
            Retry,
            "while beginning the transaction: no answer within 5s; look for locks and old transactions in \
             pg_stat_activity",
        ),
        (
            Phase::Copy,
            Cause::Timeout(LIMIT),
            Retry,
            "while sending rows: no answer within 5s; raise write_timeout_seconds, or look at what makes the server \
             slow",
        ),
        (
            Phase::Commit,
            Cause::Timeout(LIMIT),
            Retry,
            "while committing: no answer within 5s; look at the disk of the server, and for a synchronous standby \
             that is gone",
        ),
        (
            Phase::Copy,
            Cause::Lost("Connection reset by peer (os error 104)".to_owned()),
            Retry,
            "while sending rows: Connection reset by peer (os error 104)",
        ),
    ];
    for (phase, cause, kind, text) in table {
        assert_eq!(judged(Failure::new(phase, cause)), (kind, text.to_owned()));
    }
}

#[test]
fn every_answer_is_told_in_one_line_with_the_next_step() {
    let table = [
        (
            said(Phase::Authenticate, "28P01", "password authentication failed for user \"app\""),
            Hold,
            "while logging in: password authentication failed for user \"app\" (28P01); check user and password: \
             `password=`, PGPASSWORD or a password file",
        ),
        (
            said(
                Phase::Authenticate,
                "28000",
                "no pg_hba.conf entry for host \"10.0.0.9\", user \"app\", no encryption",
            ),
            Hold,
            "while logging in: no pg_hba.conf entry for host \"10.0.0.9\", user \"app\", no encryption (28000); the \
             server wants TLS: `sslmode=require`, or change its pg_hba.conf",
        ),
        (
            said(Phase::Authenticate, "28000", "connection requires a valid client certificate"),
            Hold,
            "while logging in: connection requires a valid client certificate (28000); give a client certificate with \
             `sslcert=` and `sslkey=`",
        ),
        (
            said(Phase::Authenticate, "28000", "db:5432: role \"app\" does not exist"),
            Hold,
            "while logging in: db:5432: role \"app\" does not exist (28000); create the role with `createuser`, or \
             correct the user",
        ),
        (
            said(Phase::Authenticate, "3D000", "database \"app\" does not exist"),
            Hold,
            "while logging in: database \"app\" does not exist (3D000); create the database with `createdb`, or \
             correct its name",
        ),
        (
            said(Phase::Authenticate, "53300", "sorry, too many clients already"),
            Retry,
            "while logging in: sorry, too many clients already (53300); raise max_connections or the limit of the \
             role, or use PgBouncer",
        ),
        (
            said(Phase::Authenticate, "57P03", "the database system is starting up"),
            Retry,
            "while logging in: the database system is starting up (57P03); the server is starting, stopping or \
             recovering",
        ),
        (
            said(Phase::Authenticate, "08P01", "unsupported startup parameter: options"),
            Hold,
            "while logging in: unsupported startup parameter: options (08P01); add it to ignore_startup_parameters of \
             PgBouncer",
        ),
        (
            said(Phase::Guard, "25006", "cannot execute UPDATE in a read-only transaction"),
            Retry,
            "while beginning the transaction: cannot execute UPDATE in a read-only transaction (25006); the server is \
             read-only: name the primary, or look at default_transaction_read_only",
        ),
        (
            said(Phase::Guard, "55P03", "canceling statement due to lock timeout"),
            Retry,
            "while beginning the transaction: canceling statement due to lock timeout (55P03); somebody holds a lock \
             on the table: look for old transactions in pg_stat_activity",
        ),
        (
            said(Phase::Copy, "42P01", "relation \"telesink_logs\" does not exist"),
            Hold,
            "while sending rows: relation \"telesink_logs\" does not exist (42P01); create the tables by `telesink \
             schema --dialect postgres`, or leave create_schema on",
        ),
        (
            said(Phase::Copy, "53100", "could not extend file \"base/5/1\": No space left on device"),
            Retry,
            "while sending rows: could not extend file \"base/5/1\": No space left on device (53100); the disk of the \
             server is full; free some space",
        ),
        (
            said(Phase::Copy, "12345", "something new"),
            Retry,
            "while sending rows: something new (12345); look at the log of the server",
        ),
    ];
    for (failure, kind, text) in table {
        assert_eq!(judged(failure), (kind, text.to_owned()));
    }
}

#[test]
fn a_missing_right_is_told_as_the_statement_that_gives_it() {
    let table = [
        ("permission denied for table telesink_logs", "GRANT INSERT ON telesink_logs TO this role"),
        (
            "permission denied for table telesink_resources",
            "GRANT SELECT, INSERT ON telesink_resources TO this role",
        ),
        ("permission denied for table telesink_meta", "GRANT SELECT ON telesink_meta TO this role"),
        (
            "permission denied for table telesink_ledger",
            "GRANT SELECT, INSERT, UPDATE ON telesink_ledger TO this role",
        ),
        (
            "permission denied for schema logs",
            "GRANT USAGE, CREATE ON SCHEMA logs TO this role, or make the tables by `telesink schema --dialect \
             postgres`",
        ),
        ("permission denied for sequence s", "GRANT USAGE ON SEQUENCE s TO this role"),
        ("permission denied for database app", "GRANT CREATE, TEMPORARY ON DATABASE app TO this role"),
        (
            "must be owner of table telesink_logs",
            "let this role own table telesink_logs, or set create_schema=false",
        ),
        (
            "new row violates row-level security policy for table \"telesink_logs\"",
            "CREATE POLICY for this role, or give it BYPASSRLS",
        ),
        ("keine Berechtigung für Tabelle telesink_logs", "GRANT this role the right that is missing"),
    ];
    for (message, hint) in table {
        let error = said(Phase::Copy, "42501", message).judge(TARGET);
        assert_eq!((error.kind, error.hint.as_str()), (Hold, hint));
    }
}

#[test]
fn what_the_server_says_is_one_line_of_bounded_length() {
    let message = format!("first\nsecond\u{1b}[31m\t{}", "ü".repeat(1_000));

    let error = said(Phase::Copy, "42601", &message).judge(TARGET);

    let expected = format!("while sending rows: first second [31m {}… (42601)", "ü".repeat(300 - 18));
    assert_eq!(error.message, format!("{TARGET}: {expected}"));
}
