//! The client for Rust with a real program and a made model, which says characters without an end. `dev.py desktop`
//! says where they are.

use std::future::Future;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};
use tauri_plugin_llama_sidecar::types::*;
use tauri_plugin_llama_sidecar::{Call, Llama, Options, Restart};

const WAIT: Duration = Duration::from_secs(60);

fn run(test: impl Future<Output = ()>) {
    tauri::async_runtime::block_on(test);
}

fn given(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run: python build/dev.py desktop"))
}

async fn start(restart: Option<Restart>) -> Llama {
    let options = Options { restart, ..Default::default() };
    Llama::start_program(given("LLAMA_SIDECAR_PROGRAM").into(), Vec::new(), options).await.unwrap()
}

async fn load(llama: &Llama) -> (String, String) {
    let path = given("LLAMA_SIDECAR_TEST_MODEL");
    let model = llama.load_model(LoadModelParams { path, ..Default::default() }).await.unwrap().model_id;
    let params = CreateContextParams { model_id: model.clone(), ..Default::default() };
    (model, llama.create_context(params).await.unwrap().context_id)
}

fn chat(context: &str, most: Option<u64>) -> ChatParams {
    ChatParams {
        context_id: context.into(),
        messages: vec![Message::system("Be brief."), Message::user("Grüße 👋🏽 \u{2028}!")],
        max_tokens: most,
        context_overflow: Some(SchedulingParamsContextOverflow::Shift),
        ..Default::default()
    }
}

/// Wait for the first piece of the text.
async fn begun(call: &mut Call<ChatResult>) {
    while !matches!(call.next().await, Some(Progress::Generate(_))) {}
}

async fn pids(llama: &Llama) -> Vec<i64> {
    llama.status().await.unwrap().processes.iter().map(|process| process.pid).collect()
}

fn signal(name: &str, pids: &[i64]) {
    let words = pids.iter().map(|pid| pid.to_string());
    assert!(Command::new("kill").arg(name).args(words).status().unwrap().success());
}

/// Whether it runs. One that nobody has waited for yet does not.
fn alive(pid: &i64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_chat_is_typed_and_its_progress_is_its_text() {
    run(async {
        let llama = start(None).await;
        let (_, context) = load(&llama).await;
        let mut call = llama.chat(chat(&context, Some(40)));
        let mut text = String::new();
        while let Some(progress) = call.next().await {
            if let Progress::Generate(piece) = progress {
                text.push_str(&piece.delta);
            }
        }
        let result = call.await.unwrap();
        assert_eq!(result.message.content, text);
        assert_eq!((result.finish_reason, result.usage.completion_tokens), (FinishReason::Length, 40));

        let mut next = chat(&context, Some(4));
        next.messages.extend([result.message.into(), Message::user("More.")]);
        assert!(llama.chat(next).await.unwrap().usage.cached_tokens > 40, "the conversation is the same");

        let missing = LoadModelParams { path: "missing.gguf".into(), ..Default::default() };
        let error = llama.load_model(missing).await.unwrap_err();
        assert_eq!(error.kind, "fileNotFound");
        assert!(error.data.unwrap().remedy.contains("path"));
        let wrong = llama.chat(ChatParams { temperature: Some(-1.0), ..chat(&context, None) }).await.unwrap_err();
        assert_eq!(wrong.data.unwrap().pointer.as_deref(), Some("/temperature"));
    });
}

#[test]
fn a_call_can_be_aborted_and_is_when_it_is_dropped() {
    run(async {
        let llama = start(None).await;
        let (_, context) = load(&llama).await;
        let mut call = llama.chat(chat(&context, None));
        begun(&mut call).await;
        call.abort();
        let error = call.await.unwrap_err();
        assert_eq!(error.kind, "aborted");
        assert!(!error.data.unwrap().partial.unwrap().text.unwrap().is_empty());

        let mut dropped = llama.chat(chat(&context, None));
        begun(&mut dropped).await;
        drop(dropped);
        let since = Instant::now();
        while !llama.status().await.unwrap().requests.is_empty() {
            assert!(since.elapsed() < WAIT);
            sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn a_program_that_dies_is_started_again_with_all_that_was_loaded() {
    run(async {
        let llama = start(Some(Restart { delay: Duration::from_millis(10), ..Default::default() })).await;
        let (first, _) = load(&llama).await;
        let (model, context) = load(&llama).await;
        llama.unload_model(UnloadModelParams { model_id: first }).await.unwrap();
        let mut open = llama.chat(chat(&context, None));
        begun(&mut open).await;
        let before = pids(&llama).await;
        signal("-KILL", &before);
        assert_eq!(open.await.unwrap_err().kind, "exited");
        assert_eq!(llama.chat(chat(&context, Some(8))).await.unwrap().usage.completion_tokens, 8);
        let status = llama.status().await.unwrap();
        assert_eq!(status.models.iter().map(|each| &each.model_id).collect::<Vec<_>>(), [&model]);
        assert_eq!(model, "model-2", "as the app knows it");

        let after = pids(&llama).await;
        assert!(after.iter().all(|pid| !before.contains(pid)));
        llama.dispose().await;
        assert!(!after.iter().any(alive), "dispose returns when all have ended");
        assert_eq!(llama.ping().await.unwrap_err().kind, "closed");
    });
}

#[test]
fn without_restart_the_end_fails_all_calls_and_a_dropped_client_leaves_nothing() {
    run(async {
        let llama = start(None).await;
        let (_, context) = load(&llama).await;
        let open = llama.chat(chat(&context, None));
        signal("-KILL", &pids(&llama).await);
        assert_eq!(open.await.unwrap_err().kind, "exited");
        assert_eq!(llama.ping().await.unwrap_err().kind, "exited");

        let dropped = start(None).await;
        let (_, context) = load(&dropped).await;
        let running = pids(&dropped).await;
        let hanging = dropped.chat(chat(&context, None));
        drop(dropped);
        assert_eq!(hanging.await.unwrap_err().kind, "closed");
        let since = Instant::now();
        while running.iter().any(alive) {
            assert!(since.elapsed() < WAIT);
            sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn a_program_that_was_told_to_end_is_not_started_again() {
    run(async {
        let llama = start(Some(Restart { delay: Duration::from_millis(1), ..Default::default() })).await;
        let running = pids(&llama).await;
        llama.shutdown().await.unwrap();
        assert_eq!(llama.ping().await.unwrap_err().kind, "closed");
        let since = Instant::now();
        while running.iter().any(alive) {
            assert!(since.elapsed() < WAIT);
            sleep(Duration::from_millis(20));
        }
        assert_eq!(llama.ping().await.unwrap_err().kind, "closed");
    });
}

#[test]
fn a_program_that_hangs_is_killed_with_all_its_processes() {
    run(async {
        let llama = start(None).await;
        load(&llama).await;
        let running = pids(&llama).await;
        signal("-STOP", &running);
        assert!(running.len() > 1);
        llama.dispose().await;
        let since = Instant::now();
        while running.iter().any(alive) {
            assert!(since.elapsed() < WAIT);
            sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn a_program_that_is_none_is_told() {
    run(async {
        let missing = Llama::start_program("/no/such/program".into(), Vec::new(), Options::default()).await;
        assert_eq!(missing.err().unwrap().kind, "startFailed");
        let other = Llama::start_program("/bin/true".into(), Vec::new(), Options::default()).await;
        assert_eq!(other.err().unwrap().kind, "exited");
    });
}
