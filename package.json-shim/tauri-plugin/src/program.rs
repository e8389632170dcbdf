//! The program as a child process: its pipes, its threads and its end. It ends when its stdin ends, so it never outlives
//! the app, however that ends.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long the program may take to end by itself.
const END: Duration = Duration::from_secs(3);
/// How often to look whether a program that has closed its output is gone.
const POLL: Duration = Duration::from_millis(5);
/// How long to wait for the last lines of the log.
const LAST_LOG: Duration = Duration::from_millis(500);
/// Most writes that wait until the program reads.
const MOST_WRITES: usize = 1024;
/// The size of a pipe on Linux.
const READ_BYTES: usize = 64 * 1024;
/// How much of the log's end goes into the error about the program's end.
const TAIL_BYTES: usize = 4000;

/// What happens with what the program writes. Each is called on a thread of the program.
pub(crate) struct Listeners {
    /// Gets a piece of stdout. While it waits, the program's pipe fills, and the program waits.
    pub output: Box<dyn FnMut(&[u8]) + Send>,
    /// Gets a piece of the log.
    pub log: Box<dyn FnMut(&str) + Send>,
    /// The program has ended; gets a sentence that says how, and the end of the log.
    pub ended: Box<dyn FnOnce(String, String) + Send>,
}

/// A running program. It is ended when this is dropped.
pub(crate) struct Program {
    writes: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    process: Arc<Process>,
}

struct Process {
    child: Mutex<Child>,
    gone: Mutex<bool>,
    is_gone: Condvar,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Program {
    pub(crate) fn start(path: &Path, args: &[String], listeners: Listeners) -> io::Result<Self> {
        let mut command = Command::new(path);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(windows)]
        {
            use std::os::windows::process::CommandExt;
            command.creation_flags(0x0800_0000); // CREATE_NO_WINDOW: no console beside the app
        }
        let mut child = command.spawn()?;
        let (mut stdin, stdout, stderr) = match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => (stdin, stdout, stderr),
            _ => return Err(io::Error::other("the program has no pipes")),
        };
        let (writes, mut waiting) = mpsc::channel::<Vec<u8>>(MOST_WRITES);
        let process = Arc::new(Process {
            child: Mutex::new(child),
            gone: Mutex::new(false),
            is_gone: Condvar::new(),
        });
        // Its end closes stdin, which ends the program. What cannot be written has no reader any more.
        thread::spawn(move || while waiting.blocking_recv().is_some_and(|bytes| stdin.write_all(&bytes).is_ok()) {});
        let Listeners { mut output, log, ended } = listeners;
        let tail = Arc::new(Mutex::new(Vec::new()));
        let logging = thread::spawn({
            let tail = tail.clone();
            move || pass_on_log(stderr, log, &tail)
        });
        let of_reader = process.clone();
        thread::spawn(move || {
            read_to_end(stdout, |bytes| output(bytes));
            let how = of_reader.wait();
            let last = Instant::now();
            while !logging.is_finished() && last.elapsed() < LAST_LOG {
                thread::sleep(POLL);
            }
            let text = String::from_utf8_lossy(&locked(&tail)).trim().to_owned();
            ended(how, text);
        });
        Ok(Self { writes: Mutex::new(Some(writes)), process })
    }

    /// Write, or wait with it until the program reads. False if too much waits, or if the program is ending.
    pub(crate) fn write(&self, bytes: Vec<u8>) -> bool {
        locked(&self.writes).as_ref().is_some_and(|writes| writes.try_send(bytes).is_ok())
    }

    /// The same, but wait while too much waits.
    pub(crate) async fn write_in_turn(&self, bytes: Vec<u8>) -> bool {
        let writes = locked(&self.writes).clone();
        match writes {
            Some(writes) => writes.send(bytes).await.is_ok(),
            None => false,
        }
    }

    /// Close its stdin: it stops all work and ends.
    pub(crate) fn close(&self) {
        locked(&self.writes).take();
    }

    /// Close its stdin and wait until it has ended; kill it if it takes too long.
    pub(crate) fn end(&self) {
        self.close();
        self.process.end();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.close();
        let process = self.process.clone();
        thread::spawn(move || process.end());
    }
}

impl Process {
    fn is_gone_within(&self, time: Duration) -> bool {
        let gone = locked(&self.gone);
        let waited = self.is_gone.wait_timeout_while(gone, time, |gone| !*gone);
        *waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0
    }

    fn end(&self) {
        if !self.is_gone_within(END) {
            let _ = locked(&self.child).kill(); // it may have ended just now
            self.is_gone_within(END);
        }
    }

    /// Wait for the end of a program that has closed its output; says how it ended.
    fn wait(&self) -> String {
        let closed = Instant::now();
        let how = loop {
            match locked(&self.child).try_wait() {
                Ok(Some(status)) => break format!("The program ended: {status}."),
                Ok(None) if closed.elapsed() < END => {}
                Ok(None) => {
                    let _ = locked(&self.child).kill();
                }
                Err(error) => break format!("The program ended: {error}."),
            }
            thread::sleep(POLL);
        };
        *locked(&self.gone) = true;
        self.is_gone.notify_all();
        how
    }
}

fn read_to_end(mut stream: impl Read, mut take: impl FnMut(&[u8])) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => take(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn pass_on_log(stderr: impl Read, mut log: Box<dyn FnMut(&str) + Send>, tail: &Mutex<Vec<u8>>) {
    let mut rest = Vec::new();
    read_to_end(stderr, |bytes| {
        let mut tail = locked(tail);
        tail.extend_from_slice(bytes);
        let surplus = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..surplus);
        drop(tail);
        rest.extend_from_slice(bytes);
        log(&whole_characters(&mut rest));
    });
}

/// Takes all but the beginning of a character that the next piece completes.
fn whole_characters(bytes: &mut Vec<u8>) -> String {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    let taken: Vec<u8> = bytes.drain(..whole).collect();
    String::from_utf8_lossy(&taken).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_come_in_two_pieces_stay_whole() {
        let mut rest = "ä模".as_bytes()[..3].to_vec();
        assert_eq!(whole_characters(&mut rest), "ä");
        rest.extend_from_slice(&"模".as_bytes()[1..]);
        assert_eq!(whole_characters(&mut rest), "模");
        rest.extend_from_slice(b"a\xff");
        assert_eq!(whole_characters(&mut rest), "a\u{fffd}");
    }
}
