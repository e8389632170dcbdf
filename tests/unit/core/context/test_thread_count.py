"""How many threads compute while other programs run: the rules, on made-up step times."""

from __future__ import annotations

from sidecar.core.context.thread_count import (
    AVERAGED_STEPS,
    FIRST_RETRY_S,
    MAX_TOKENS,
    PROBED_STEPS,
    ThreadCount,
)

QUICK, STUCK = 0.004, 0.4
PROBE = [2, 4]
PROBE_8 = [4, 8]


class Run:
    """A thread count with a clock of its own; `stuck_above`: more threads than this are stuck."""

    def __init__(self, threads: int) -> None:
        self.now = 1000.0
        self.used: list[int] = []
        self.stuck_above = threads
        self.all = threads
        self.quick = QUICK
        self.count = ThreadCount(threads, lambda: self.now)

    def step(self, count: int = 1, tokens: int = 1) -> None:
        for _ in range(count):
            threads = self.count.threads
            seconds = STUCK if threads > self.stuck_above else self.quick * self.all / threads
            self.now += seconds
            self.record(tokens, seconds)

    def record(self, tokens: int, seconds: float, draft: bool = False) -> None:
        before = self.count.threads
        self.count.record(tokens, seconds, draft)
        if self.count.threads != before:
            self.used.append(self.count.threads)


def test_on_a_quiet_machine_nothing_changes() -> None:
    run = Run(4)
    run.step(10_000)
    assert run.used == PROBE, "one step with half of them, to see what they are worth"


def test_a_slow_first_step_of_a_size_is_no_sign_of_stuck_threads() -> None:
    run = Run(2)
    run.step(8)
    run.record(24, 0.107)  # a prompt of 24 tokens, the first of its size
    for _ in range(10):
        for tokens, milliseconds in ((16, 35), (14, 33), *[(1, 6)] * 7):
            run.record(tokens, milliseconds / 1000 * 2 / run.count.threads)
    assert run.used == [1, 2] * 3, "each size is tried once with half of them"


def test_where_all_are_stuck_from_the_first_step_that_is_found_out() -> None:
    run = Run(2)
    run.stuck_above = 1
    run.step(PROBED_STEPS + 1)
    assert run.count.threads == 1, "each step more costs seconds"
    run.step(3 * AVERAGED_STEPS)
    assert run.count.threads == 1


def test_when_they_are_stuck_half_of_them_go_on_then_a_quarter() -> None:
    run = Run(8)
    run.step(20)
    run.stuck_above = 2
    run.step(3 * AVERAGED_STEPS)
    assert run.used == [*PROBE_8, 4, 2]
    assert run.count.threads == 2


def test_one_slow_step_changes_nothing() -> None:
    run = Run(2)
    for _ in range(50):
        run.step(20)
        run.record(1, QUICK * 8)
    assert run.used == [1, 2]


def test_all_come_back_when_the_machine_is_free_again() -> None:
    run = Run(2)
    run.step(20)
    run.stuck_above = 1
    run.step(AVERAGED_STEPS)
    assert run.count.threads == 1
    run.stuck_above = 2
    run.step(int(FIRST_RETRY_S / QUICK) + 10)
    assert run.count.threads == 2


def test_trying_again_costs_one_step_and_ever_less_often() -> None:
    run = Run(2)
    run.step(20)
    run.stuck_above = 1
    begin = run.now
    run.step(20_000)
    tries = run.used.count(2)
    assert run.count.threads == 1
    assert 3 <= tries <= 6 + (run.now - begin) / 60
    assert run.used[2::2] == [1] * len(run.used[2::2]), "after each try it goes back at once"


def test_a_context_that_fills_up_is_not_taken_for_a_busy_machine() -> None:
    run = Run(4)
    run.step(20)
    for i in range(5000):
        run.record(1, QUICK * (1 + i / 1000))
    assert run.used == PROBE


def test_after_a_much_longer_prompt_all_threads_come_back_for_good() -> None:
    run = Run(4)
    run.step(20)
    run.quick *= 6
    run.step(3 * AVERAGED_STEPS + int(FIRST_RETRY_S / run.quick))
    assert run.count.threads == 4
    run.used.clear()
    run.step(1000)
    assert run.used == []
    run.stuck_above = 1
    run.step(3 * AVERAGED_STEPS)
    assert run.count.threads == 1, "that they are stuck is still found out"


def test_a_step_of_another_size_brings_stuck_threads_back_no_sooner() -> None:
    run = Run(2)
    run.step(20)
    run.stuck_above = 1
    run.step(AVERAGED_STEPS)
    run.step(AVERAGED_STEPS, tokens=9)
    assert run.used[len(PROBE) :] == [1]


def test_prompts_do_not_count_and_one_thread_stays_one() -> None:
    run = Run(4)
    run.step(20)
    for _ in range(20):
        run.record(MAX_TOKENS + 1, STUCK)
    assert run.used == PROBE
    alone = Run(1)
    alone.stuck_above = 0
    alone.step(50)
    assert alone.used == []


def test_a_prompt_has_all_threads_also_while_steps_have_fewer() -> None:
    run = Run(2)
    run.step(20)
    run.stuck_above = 1
    run.step(AVERAGED_STEPS)
    assert (run.count.of_step(1), run.count.of_step(MAX_TOKENS)) == (1, 1)
    assert run.count.of_step(MAX_TOKENS + 1) == 2


def test_what_the_draft_model_finds_out_counts_for_both() -> None:
    run = Run(2)
    for _ in range(20):
        run.step(tokens=5)
        run.record(1, QUICK / 10 * 2 / run.count.threads, draft=True)
    assert run.used == [1, 2, 1, 2], "each of the two is tried once with half the threads"
    for _ in range(AVERAGED_STEPS):
        run.record(1, QUICK, draft=True)  # quick for the model, slow for its draft
    assert run.count.threads == 1


def test_steps_of_nearly_as_many_tokens_are_compared() -> None:
    run = Run(2)
    run.step(20)
    run.step(20, tokens=9)
    assert run.used == [1, 2, 1, 2], "each size of a step is tried with half the threads"
    for tokens in (8, 11, 13, 15):
        run.record(tokens, STUCK)
    assert run.count.threads == 1
