//! The two forms of libpq as a [`Dsn`].

use super::{keywords, shown, uri};
use crate::dsn::Dsn;
use crate::dsn::options::Options;
use crate::error::ConfigError;
use std::path::Path;

impl Dsn {
    /// The keyword form: `host=db dbname=app`.
    pub(in crate::dsn) fn of_libpq_keywords(
        text: &str,
        options: &[(String, String)],
        base_directory: &Path,
    ) -> Result<Self, ConfigError> {
        let pairs = keywords::parse(text)?;
        Ok(Self {
            base_directory: base_directory.to_path_buf(),
            masked_target: shown::keyword_form(&pairs),
            options: Options::collect(pairs, "", options)?,
            ..Self::of_scheme("postgresql".to_owned())
        })
    }

    /// What follows `postgresql://`.
    pub(in crate::dsn) fn of_libpq_uri(
        body: &str,
        options: &[(String, String)],
        base_directory: &Path,
    ) -> Result<Self, ConfigError> {
        let uri = uri::parse(body)?;
        Ok(Self {
            base_directory: base_directory.to_path_buf(),
            masked_target: uri.shown,
            options: Options::collect(uri.parts, uri.query, options)?,
            ..Self::of_scheme("postgresql".to_owned())
        })
    }
}
