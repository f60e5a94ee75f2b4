//! What `podium::sandbox` promises, tried on every engine with small real programs. Each name is a promise.
//!
//! Nothing is skipped: where an engine does not work, its tests fail and say what is missing. The Docker tests want the
//! image that `scripts/make-image podium-test-python:1` makes, those of gVisor a Docker that knows the runtime `runsc`,
//! and all want root.

mod answers;
mod ending;
mod engine;
mod given;
mod image;
mod lives;
mod reach;
mod spending;
#[path = "../support/sandbox.rs"]
mod support;

use support::{Rig, Under};

/// Runs each promise on each engine, and then looks for anything that was left behind.
macro_rules! promises {
    ($($module:ident: $($name:ident)*;)*) => {
        mod bubblewrap { $($( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() { crate::kept(crate::Under::Bubblewrap, crate::$module::$name).await; } )*)* }
        mod docker { $($( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() { crate::kept(crate::Under::Docker, crate::$module::$name).await; } )*)* }
        mod gvisor { $($( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() { crate::kept(crate::Under::Gvisor, crate::$module::$name).await; } )*)* }
    };
}

async fn kept(under: Under, promise: impl AsyncFn(&Rig)) {
    let rig = Rig::new(under).await;
    promise(&rig).await;
    assert_eq!(rig.traces(), Vec::<String>::new(), "something was left behind");
}

promises! {
    ending:
        output_and_every_exit_status_are_reported
        a_main_process_that_a_signal_ended_says_so
        a_program_that_is_missing_is_our_fault_and_not_the_programs
        a_run_ends_with_its_main_process
        children_in_sessions_of_their_own_die_too
        a_shell_is_not_needed_to_pass_odd_arguments_on;
    given:
        its_environment_is_three_names
        it_starts_in_an_empty_scratch_folder
        standard_input_is_the_file
        without_standard_input_it_is_at_its_end
        standard_input_need_not_be_read
        it_cannot_change_what_it_is_shown
        what_is_shown_may_lie_in_closed_folders
        what_is_shown_must_itself_be_open;
    reach:
        it_sees_nothing_else_of_the_machine
        it_has_no_network
        it_has_no_rights
        it_has_no_descriptors_but_three
        kernel_entry_points_are_closed
        named_local_sockets_are_for_those_who_ask
        threads_and_local_sockets_work;
    spending:
        output_beyond_the_limit_ends_it
        output_up_to_the_limit_does_not
        cpu_time_of_all_processes_counts
        wall_time_ends_what_sleeps_or_is_stopped
        memory_beyond_the_limit_ends_it
        memory_of_a_child_alone_counts
        writable_folders_count_as_memory
        processor_time_is_shared_by_runs_and_not_by_processes
        writable_folders_are_bounded_together
        files_are_bounded_in_number
        processes_are_bounded_in_number
        what_was_used_is_measured
        it_keeps_to_its_cores;
    answers:
        an_answer_file_is_taken
        what_is_no_fit_answer_file_is_refused
        an_answer_is_apart_from_what_is_printed
        a_run_that_a_limit_ended_has_no_answer;
    engine:
        a_cancelled_run_is_gone
        a_dropped_run_is_gone
        concurrent_runs_do_not_see_each_other
        locks_and_watches_do_not_reach_another_run
        nothing_carries_over_to_the_next_run
        a_run_that_is_ended_from_outside_has_no_report
        a_probe_says_what_the_engine_is;
    lives:
        sweep_removes_strays_of_this_home_only
        an_engine_that_cannot_work_says_so;
    image:
        an_image_that_is_not_there_is_named;
}
