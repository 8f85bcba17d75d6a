//! Writes to a standard stream by its descriptor, never through a stream object.
//!
//! A stream object has a lock, and a process forked while another thread held it would wait for that lock for
//! ever. Each wait has a limit, also on a descriptor that blocks: it is polled before it is written to, and no
//! piece is larger than what a pipe that reports room takes at once. On a terminal that stops in the middle of a
//! piece the write itself can still wait.

use super::Stream;
use std::io;
use std::time::Duration;

/// Most bytes in one write: Linux's `PIPE_BUF`. Up to here a write to a pipe is atomic, so that lines of other
/// processes do not land within ours, and a pipe that polls as writable takes all of it.
pub(super) const PIECE_BYTES_MAX: usize = 4_096;

/// Where formatted text goes.
pub(super) trait Output: Send {
    /// Writes the beginning of `bytes` and says how much of it. Takes the time spent waiting off `wait_left`.
    ///
    /// # Errors
    /// `TimedOut` once `wait_left` is used up, else what the system said. Nothing was written then.
    fn write_some(&mut self, bytes: &[u8], wait_left: &mut Duration) -> io::Result<usize>;
}

impl Output for Stream {
    #[cfg(unix)]
    fn write_some(&mut self, bytes: &[u8], wait_left: &mut Duration) -> io::Result<usize> {
        let descriptor = match self {
            Stream::Stderr => rustix::stdio::stderr(),
            Stream::Stdout => rustix::stdio::stdout(),
        };
        descriptor::write_some(descriptor, bytes, wait_left)
    }

    #[cfg(not(unix))]
    fn write_some(&mut self, bytes: &[u8], _wait_left: &mut Duration) -> io::Result<usize> {
        use std::io::Write;
        // There is no fork here, hence no orphaned lock to fear.
        match self {
            Stream::Stderr => io::stderr().write(bytes),
            Stream::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write(bytes)?;
                stdout.flush().map(|()| written)
            }
        }
    }
}

#[cfg(unix)]
mod descriptor {
    use super::PIECE_BYTES_MAX;
    use crate::clock;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fd::BorrowedFd;
    use rustix::io::Errno;
    use std::io;
    use std::time::Duration;

    /// Pause after a descriptor that polls as writable refused all the same, as terminals on macOS do.
    const NAP: Duration = Duration::from_millis(5);

    pub(super) fn write_some(
        descriptor: BorrowedFd<'_>,
        bytes: &[u8],
        wait_left: &mut Duration,
    ) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES_MAX)];
        loop {
            if !is_ready(descriptor, Duration::ZERO)? {
                wait(descriptor, wait_left)?;
            }
            match rustix::io::write(descriptor, piece) {
                Ok(written) => return Ok(written),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => nap(wait_left)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether a write would not wait. A descriptor in error counts as ready: the write says what is wrong.
    fn is_ready(descriptor: BorrowedFd<'_>, wait: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(wait).map_err(io::Error::other)?;
        match poll(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)], Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn wait(descriptor: BorrowedFd<'_>, wait_left: &mut Duration) -> io::Result<()> {
        let begun = clock::monotonic();
        let budget = *wait_left;
        loop {
            let ready = is_ready(descriptor, *wait_left)?;
            *wait_left = budget.saturating_sub(clock::monotonic().duration_since(begun));
            if ready {
                return Ok(());
            }
            if wait_left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    fn nap(wait_left: &mut Duration) -> io::Result<()> {
        if wait_left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let pause = NAP.min(*wait_left);
        *wait_left -= pause;
        // A poll of nothing is a pause.
        match poll(&mut [], Some(&Timespec::try_from(pause).map_err(io::Error::other)?)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::io::Read;
        use std::os::fd::AsFd;

        #[test]
        fn a_full_pipe_is_given_up_after_the_limit_although_its_descriptor_blocks() {
            let (mut reader, writer) = std::io::pipe().expect("a pipe");
            let mut written = 0;

            let error = loop {
                match write_some(writer.as_fd(), &[b'x'; 10_000], &mut Duration::from_millis(2)) {
                    Ok(bytes) => written += bytes,
                    Err(error) => break error,
                }
            };

            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            drop(writer);
            let mut read = Vec::new();
            reader.read_to_end(&mut read).expect("what was written");
            assert_eq!(read.len(), written);
        }

        #[test]
        fn a_pipe_without_a_reader_is_an_error_and_not_a_signal() {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);

            let result = write_some(writer.as_fd(), b"x", &mut Duration::from_millis(2));

            assert_eq!(result.expect_err("nobody reads").kind(), io::ErrorKind::BrokenPipe);
        }

        #[test]
        fn a_descriptor_that_does_not_block_gets_the_same_limit() {
            let (_reader, writer) = std::io::pipe().expect("a pipe");
            rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).expect("set");

            let error = loop {
                if let Err(error) = write_some(writer.as_fd(), &[b'x'; 10_000], &mut Duration::from_millis(2))
                {
                    break error;
                }
            };

            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }
}
