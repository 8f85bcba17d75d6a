//! How fast rows can reach Postgres at all: sends COPY data that was encoded beforehand, in telesink's own transaction
//! (guard, COPY, COMMIT). The benchmark `postgres_ingest` starts it, hands the data over on standard input, and compares.

#![allow(clippy::print_stdout, reason = "the answer is printed")]

use bytes::Bytes;
use futures_util::SinkExt;
use std::error::Error;
use std::io::{self, Read};
use std::pin::pin;
use telesink_core::clock;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// One transaction.
struct Batch {
    rows: u64,
    chunks: Vec<Bytes>,
}

/// What the command line says.
struct Task {
    dsn: String,
    instance: String,
    copy: String,
    begin: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: postgres_limit DSN INSTANCE COPY BEGIN < data");
    let task = Task { dsn: next()?, instance: next()?, copy: next()?, begin: next()? };
    let batches = read_batches(&mut io::stdin().lock())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&task, batches))
}

/// Connects, then sends everything while the clock runs.
async fn run(task: &Task, batches: Vec<Batch>) -> Result<(), Box<dyn Error>> {
    let (client, connection) = tokio_postgres::connect(&task.dsn, NoTls).await?;
    let driver = tokio::spawn(connection);
    let processor = processor_seconds()?;
    let start = clock::monotonic();
    let mut done = 0;
    for batch in batches {
        let last = done + batch.rows;
        send(&client, task, batch, done, last).await?;
        done = last;
    }
    let seconds = start.elapsed().as_secs_f64();
    let processor = processor_seconds()? - processor;
    println!(r#"{{"seconds": {seconds:.4}, "processor_seconds": {processor:.3}}}"#);
    drop(client);
    driver.await??;
    Ok(())
}

async fn send(
    client: &Client,
    task: &Task,
    batch: Batch,
    previous: u64,
    last: u64,
) -> Result<(), Box<dyn Error>> {
    let Task { instance, begin, .. } = task;
    let guard = format!(
        "{begin}UPDATE telesink_ledger SET last_seq = {last}, updated_at = now() \
         WHERE instance = '{instance}' AND lane = 0 AND last_seq = {previous}"
    );
    // The statement is prepared in the round trip of the guard.
    let (guarded, copy) =
        futures_util::future::join(client.simple_query(&guard), client.prepare(&task.copy)).await;
    if !matches!(guarded?.last(), Some(SimpleQueryMessage::CommandComplete(1))) {
        return Err("the guard did not find its row".into());
    }
    let mut sink = pin!(client.copy_in::<_, Bytes>(&copy?).await?);
    for chunk in batch.chunks {
        sink.feed(chunk).await?;
    }
    if sink.finish().await? != batch.rows {
        return Err("the server did not store every row".into());
    }
    client.simple_query("COMMIT").await?;
    Ok(())
}

/// Numbers are big-endian. A batch is the number of its rows and that of its chunks; a chunk is its length and its bytes.
fn read_batches(input: &mut impl Read) -> io::Result<Vec<Batch>> {
    let mut all = Vec::new();
    input.read_to_end(&mut all)?;
    let mut rest = Bytes::from(all);
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let rows = u64::from(take_number(&mut rest)?);
        let mut chunks = Vec::new();
        for _ in 0..take_number(&mut rest)? {
            let length = take_number(&mut rest)? as usize;
            if rest.len() < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            chunks.push(rest.split_to(length));
        }
        batches.push(Batch { rows, chunks });
    }
    Ok(batches)
}

fn take_number(rest: &mut Bytes) -> io::Result<u32> {
    let (number, _) = rest.split_first_chunk::<4>().ok_or(io::ErrorKind::UnexpectedEof)?;
    let number = u32::from_be_bytes(*number);
    *rest = rest.split_off(4);
    Ok(number)
}

/// Processor time of this thread, which does all the work.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let shown = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: u64 = shown.split_whitespace().next().ok_or("an empty schedstat")?.parse()?;
    Ok(nanoseconds as f64 / 1e9)
}
