"""Jobs in child processes that only play."""

from __future__ import annotations

import pytest
from playing import PATIENCE_S, play, until

from multimodal_ser.app.jobs import Crew, Job

pytestmark = pytest.mark.slow


def done(crew, owner, task):
    """Submit a job; return it and the list of what it tells."""
    told = []
    return crew.submit(Job(owner, task, lambda *said: told.append(said))), told


def over(job):
    return until(lambda: job.over)


def test_what_a_child_says_comes_in_order(crew):
    job, told = done(crew, "a", ("say", 7))
    over(job)
    until(lambda: len(told) == 2)
    assert told == [("said", 7), ("end", "done")]
    assert job.state == "done"


def test_progress_is_kept(crew):
    job, _ = done(crew, "a", ("sleep", 1000))
    until(lambda: job.stage)
    assert (job.stage, job.reached_s, job.total_s) == ("sleeping", 1.0, 9.0)


def test_a_job_that_runs_is_stopped_and_the_next_one_runs(crew):
    job, told = done(crew, "a", ("sleep", 1000))
    until(lambda: job.stage)
    crew.stop(job)
    until(lambda: ("end", "stopped") in told)
    after, _ = done(crew, "a", ("say", 1))
    over(after)
    assert (job.state, after.state) == ("stopped", "done")
    assert ("said", 1000) not in told


def test_a_job_that_waits_is_stopped_and_never_begins(crew):
    first, _ = done(crew, "a", ("sleep", 1000))
    second, told = done(crew, "a", ("say", 1))
    until(lambda: first.stage)
    crew.stop(second)
    assert second.state == "stopped"
    crew.stop(first)
    third, _ = done(crew, "a", ("say", 2))
    over(third)
    assert told == [("end", "stopped")]


def test_a_job_that_is_over_cannot_be_stopped(crew):
    job, told = done(crew, "a", ("say", 1))
    until(lambda: len(told) == 2)
    crew.stop(job)
    assert job.state == "done"


def test_a_child_that_dies_costs_its_job_alone(crew):
    job, _ = done(crew, "a", ("die", None))
    over(job)
    after, _ = done(crew, "a", ("say", 1))
    over(after)
    assert (job.state, after.state) == ("failed", "done")
    assert job.error


def test_a_failure_says_why(crew):
    job, _ = done(crew, "a", ("fail", "no sound"))
    over(job)
    assert (job.state, job.error) == ("failed", "no sound")


def test_pages_take_turns(crew):
    order = []
    block, _ = done(crew, "other", ("sleep", 1000))
    until(lambda: block.stage)
    jobs = [
        crew.submit(Job(name[0], ("say", name), lambda kind, value: order.append(value)))
        for name in ("a1", "a2", "a3", "b1")
    ]
    crew.stop(block)
    until(lambda: all(job.over for job in jobs))
    said = [one for one in order if one not in ("done", "stopped")]
    assert said.index("b1") == 1
    assert [one for one in said if one != "b1"] == ["a1", "a2", "a3"]


def test_a_closed_page_stops_what_it_has_and_nothing_else(crew):
    running, _ = done(crew, "a", ("sleep", 1000))
    waiting, _ = done(crew, "a", ("say", 1))
    other, _ = done(crew, "b", ("say", 2))
    until(lambda: running.stage)
    crew.stop_all("a")
    over(other)
    assert [job.state for job in (running, waiting, other)] == ["stopped", "stopped", "done"]


def test_a_child_is_fed_while_it_runs(crew):
    job, told = done(crew, "a", ("listen", 3))
    until(lambda: ("listening", None) in told)
    job.feed("sound", 5)
    until(lambda: ("heard", ("sound", 5)) in told)
    job.feed("end")
    over(job)
    with pytest.raises(OSError):
        job.feed("sound", 6)


def test_no_more_run_than_there_are_children_and_all_end():
    crew = Crew(2, None, play)
    jobs = [done(crew, "a", ("sleep", 1000))[0] for _ in range(3)]
    until(lambda: sum(bool(job.stage) for job in jobs) == 2)
    assert [job.state for job in jobs].count("waiting") == 1
    children = [child for child in crew._running.values()]
    crew.close()
    assert all(job.state == "stopped" for job in jobs)
    until(lambda: not any(thread.is_alive() for thread in crew._threads), PATIENCE_S)
    assert len(children) == 2
