//! The program as a child process: its pipes, its threads and its end. It ends when its stdin ends, so it never outlives
//! the app, however that ends.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// From closing its stdin to asking it to end. A healthy program ends within a second.
const END: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 3000 });
/// From asking it to killing it, with all that it has started.
const TERMINATE: Duration = Duration::from_millis(2000);
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

/// Why something was not written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unwritten {
    /// Too much waits already.
    Full,
    /// The program reads no more: its end will be told.
    Ended,
}

struct Process {
    /// None when it has ended: its id may be another program's then.
    child: Mutex<Option<Child>>,
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
        as_a_tree(&mut command);
        let mut child = command.spawn()?;
        let (mut stdin, stdout, stderr) = match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => (stdin, stdout, stderr),
            _ => return Err(io::Error::other("the program has no pipes")),
        };
        let (writes, mut waiting) = mpsc::channel::<Vec<u8>>(MOST_WRITES);
        let process = Arc::new(Process {
            child: Mutex::new(Some(child)),
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

    /// Write, or wait with it until the program reads.
    pub(crate) fn write(&self, bytes: Vec<u8>) -> Result<(), Unwritten> {
        match locked(&self.writes).as_ref().map(|writes| writes.try_send(bytes)) {
            Some(Ok(())) => Ok(()),
            Some(Err(mpsc::error::TrySendError::Full(_))) => Err(Unwritten::Full),
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => Err(Unwritten::Ended),
        }
    }

    /// The same, but wait while too much waits. False if the program is ending.
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

    /// Close its stdin and wait until it has ended. If it takes too long, ask it to end, then kill it.
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
        if self.is_gone_within(END) {
            return;
        }
        #[cfg(unix)]
        self.with_child(terminate);
        if cfg!(unix) && self.is_gone_within(TERMINATE) {
            return;
        }
        self.with_child(kill_tree);
        self.is_gone_within(END);
    }

    /// Do something with the process, unless it has ended.
    fn with_child(&self, work: impl FnOnce(&mut Child)) {
        if let Some(child) = locked(&self.child).as_mut() {
            work(child);
        }
    }

    /// Wait for the end of a program that has closed its output; says how it ended.
    fn wait(&self) -> String {
        let closed = Instant::now();
        let mut killed = false;
        let how = loop {
            let mut child = locked(&self.child);
            match child.as_mut().map(Child::try_wait) {
                Some(Ok(None)) => {}
                Some(Ok(Some(status))) => {
                    child.take();
                    break format!("The program ended: {status}.");
                }
                Some(Err(error)) => {
                    child.take();
                    break format!("The program ended: {error}.");
                }
                None => break "The program ended.".into(),
            }
            drop(child);
            if !killed && closed.elapsed() > END {
                killed = true;
                self.with_child(kill_tree);
            }
            thread::sleep(POLL);
        };
        *locked(&self.gone) = true;
        self.is_gone.notify_all();
        how
    }
}

/// A group of its own on Unix, so that all that it starts can be ended with it: as one file, the program is a launcher
/// and the process that it starts. On Windows, no console beside the app.
fn as_a_tree(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NO_WINDOW);
}

#[cfg(windows)]
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

#[cfg(unix)]
fn terminate(child: &mut Child) {
    signal(child.id() as libc::pid_t, libc::SIGTERM); // a launcher passes it on
}

#[cfg(unix)]
fn kill_tree(child: &mut Child) {
    signal(-(child.id() as libc::pid_t), libc::SIGKILL); // its group
}

/// The child was not waited for, so the id is its own.
#[cfg(unix)]
fn signal(id: libc::pid_t, signal: libc::c_int) {
    // SAFETY: kill touches no memory. It fails if the process has ended just now.
    unsafe { libc::kill(id, signal) };
}

#[cfg(windows)]
fn kill_tree(child: &mut Child) {
    let id = child.id().to_string();
    let mut taskkill = Command::new("taskkill");
    as_a_tree(&mut taskkill);
    let _ = taskkill.args(["/pid", &id, "/t", "/f"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let _ = child.kill(); // if there is no taskkill
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
    #[cfg(unix)]
    use std::sync::mpsc::{channel, Receiver};

    /// Starts a script of a shell. Gets what it writes, and how it ended when nobody holds its output any more.
    #[cfg(unix)]
    fn script(text: &str) -> (Program, Receiver<String>, Receiver<String>) {
        let ((said, says), (end, ends)) = (channel(), channel());
        let listeners = Listeners {
            output: Box::new(move |bytes| said.send(String::from_utf8_lossy(bytes).into_owned()).unwrap()),
            log: Box::new(|_| {}),
            ended: Box::new(move |how, _| end.send(how).unwrap()),
        };
        (Program::start(Path::new("sh"), &["-c".into(), text.into()], listeners).unwrap(), says, ends)
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_hangs_is_killed_with_all_that_it_has_started() {
        let hanging = "trap '' TERM; while :; do sleep 0.05; done";
        let (program, says, ends) = script(&format!("({hanging}) & echo begun; {hanging}"));
        assert_eq!(says.recv().unwrap(), "begun\n");
        program.end();
        let how = ends.recv_timeout(Duration::from_secs(30)).expect("nobody holds its output any more");
        assert!(how.contains("signal: 9"), "{how}");
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_hangs_is_asked_to_end_first() {
        let (program, says, ends) = script("trap 'echo asked; exit 3' TERM; echo begun; while :; do sleep 0.01; done");
        assert_eq!(says.recv().unwrap(), "begun\n");
        program.end();
        assert_eq!(says.recv_timeout(Duration::from_secs(30)).unwrap(), "asked\n");
        assert!(ends.recv().unwrap().contains("status: 3"));
    }

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
