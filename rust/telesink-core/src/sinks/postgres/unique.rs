//! `dedupe=id`: the index that makes ids unique.

use super::failure::{Cause, Failure, Phase};
use super::schema::{LIMITS, Names, Turn, alone, literal};
use super::session::{first_value, run};
use tokio_postgres::Client;

/// Makes sure that the table has a unique index; without one, `ON CONFLICT` would let every row in.
pub(super) async fn prepare(client: &Client, names: &Names, creates: bool) -> Result<(), Failure> {
    if is_unique(client, names).await? {
        return Ok(());
    }
    // The column that rows are partitioned by has to be part of it. A repeated record has the same time.
    let index = format!("CREATE UNIQUE INDEX telesink_logs_id ON {} (id, ts)", names.logs());
    if !creates {
        let message = "dedupe=id needs a unique index, there is none, and create_schema=false".to_owned();
        return Err(Failure::new(Phase::Schema, Cause::Config { message, hint: format!("run: {index}") }));
    }
    let work = async || {
        if !is_unique(client, names).await? {
            run(client, Phase::Schema, &index).await?;
        }
        Ok(())
    };
    alone(client, Turn::Wait, LIMITS, work).await.map(|_| ())
}

async fn is_unique(client: &Client, names: &Names) -> Result<bool, Failure> {
    let sql = format!(
        "SELECT 1 FROM pg_index WHERE indrelid = to_regclass({}) AND indisunique AND indisvalid AND indpred IS NULL",
        literal(names.logs())
    );
    Ok(first_value(&run(client, Phase::Schema, &sql).await?).is_some())
}
