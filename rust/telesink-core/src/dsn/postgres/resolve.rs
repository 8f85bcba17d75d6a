//! From a DSN and the environment to a target.

use super::environment::Environment;
use super::values::Values;
use super::{ChannelBinding, Keepalive, Secret, SessionAttributes, Target, hosts, tls, unsupported};
use crate::dsn::Dsn;
use crate::error::ConfigError;
use std::time::Duration;

/// Idle time before the first question of keep-alive. The kernel's own is two hours; firewalls forget a quiet
/// connection after minutes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Largest values that Linux takes for the times and the count of keep-alive (`MAX_TCP_KEEPIDLE`,
/// `MAX_TCP_KEEPINTVL`, `MAX_TCP_KEEPCNT`).
const KEEPALIVE_SECONDS_MAX: i32 = 32_767;
const KEEPALIVE_COUNT_MAX: i32 = 127;

/// Takes libpq's keywords out of the DSN and completes them from the service file and the environment.
///
/// # Errors
/// A value that is wrong or not available here, or a service that is not there.
pub fn target(dsn: &mut Dsn, environment: &Environment) -> Result<Target, ConfigError> {
    let values = &mut Values::new(dsn, environment)?;
    unsupported::refuse(values)?;
    let user = values.text("user")?;
    let user = user.map_or_else(|| environment.user_name(), Ok)?;
    let database = values.text("dbname")?.unwrap_or_else(|| user.clone());
    let hosts = hosts::read(values, environment)?;
    let tls = tls::read(values, environment)?;
    let passfile = values.path("passfile")?;
    let (application_name, fallback) =
        (values.text("application_name")?, values.text("fallback_application_name")?);
    let target = Target {
        user,
        database,
        password: values.text("password")?.map(Secret::new),
        passfile: passfile.or_else(|| environment.personal_file(".pgpass", "pgpass.conf")),
        application_name: application_name.or(fallback).unwrap_or_else(|| "telesink".to_owned()),
        options: values.text("options")?,
        ssl_mode: tls.mode,
        root_certificates: tls.roots,
        certificate: tls.certificate,
        certificate_key: tls.key,
        is_direct_tls: tls.is_direct,
        channel_binding: channel_binding(values)?,
        session_attributes: session_attributes(values, hosts.len())?,
        is_load_balanced: values
            .choice("load_balance_hosts", &[("disable", false), ("random", true)])?
            .unwrap_or(false),
        // Zero and less mean "for ever" to libpq; the limit of the settings holds then.
        connect_timeout: positive(values.integer("connect_timeout", i32::MIN..=i32::MAX)?)
            .map(Duration::from_secs),
        keepalive: keepalive(values)?,
        tcp_user_timeout: positive(values.integer("tcp_user_timeout", 0..=i32::MAX)?)
            .map(Duration::from_millis),
        hosts,
    };
    tls::check(&target, environment)?;
    Ok(target)
}

/// The number, unless it stands for "not given".
fn positive(number: Option<i32>) -> Option<u64> {
    number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0)
}

fn channel_binding(values: &mut Values<'_>) -> Result<ChannelBinding, ConfigError> {
    let choices = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    Ok(values.choice("channel_binding", &choices)?.unwrap_or(ChannelBinding::Prefer))
}

/// With several hosts, a standby may stand first in the list and answer, and would refuse each write for as long as
/// the connection lasts. So the default is a server that takes writes; with one host there is no choice anyway, and a
/// question the less.
fn session_attributes(values: &mut Values<'_>, hosts: usize) -> Result<SessionAttributes, ConfigError> {
    let choices = [
        ("any", Some(SessionAttributes::Any)),
        ("read-write", Some(SessionAttributes::ReadWrite)),
        ("primary", Some(SessionAttributes::Primary)),
        ("read-only", None),
        ("standby", None),
        ("prefer-standby", None),
    ];
    let default = if hosts > 1 { SessionAttributes::ReadWrite } else { SessionAttributes::Any };
    values.choice("target_session_attrs", &choices)?.unwrap_or(Some(default)).ok_or_else(|| {
        ConfigError::new(
            "option `target_session_attrs` asks for a server that takes no writes",
            "write `read-write` or `primary`, or `any` to take the first that answers",
        )
    })
}

fn keepalive(values: &mut Values<'_>) -> Result<Option<Keepalive>, ConfigError> {
    let words = [("1", true), ("0", false), ("true", true), ("false", false), ("on", true), ("off", false)];
    let is_on = values.choice("keepalives", &words)?.unwrap_or(true);
    let idle = positive(values.integer("keepalives_idle", 0..=KEEPALIVE_SECONDS_MAX)?);
    let interval = positive(values.integer("keepalives_interval", 0..=KEEPALIVE_SECONDS_MAX)?);
    let count = positive(values.integer("keepalives_count", 0..=KEEPALIVE_COUNT_MAX)?);
    Ok(is_on.then(|| Keepalive {
        idle: idle.map_or(KEEPALIVE_IDLE, Duration::from_secs),
        interval: interval.map(Duration::from_secs),
        count: count.and_then(|count| u32::try_from(count).ok()),
    }))
}
