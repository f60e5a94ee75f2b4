//! How much one user may hand in: so many within some time, so many waiting, so many bytes. All of it is read from the log.

use chrono::{DateTime, TimeDelta, Utc};

use super::config::Rate;
use super::history::{History, Submission};
use super::ids::UserName;
use super::record::{Refusal, moment};
use super::rules::Rules;
use super::users::Role;
use super::verdict::Fault;

/// What a user has used of a rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// How many count within the window that ends now.
    pub count: usize,
    /// From when on another one is taken; `None`: now.
    pub next_at: Option<DateTime<Utc>>,
}

/// What a user has used of `submissions.rate` at a moment; `None` where no rate bounds the user. Staff are not bounded by it.
#[must_use]
pub fn used(history: &History, rules: &Rules, user: &UserName, now: DateTime<Utc>) -> Option<(Rate, Used)> {
    let rate = rules.config.submissions.rate?;
    if rules.users.role(user) != Some(Role::Student) {
        return None;
    }
    let window = TimeDelta::from_std(rate.window).unwrap_or(TimeDelta::MAX);
    let free_at = |submission: &Submission| submission.receipt.at.checked_add_signed(window);
    // The latest first.
    let counted: Vec<DateTime<Utc>> = history
        .latest_of(user)
        .map(|submission| (submission, free_at(submission)))
        .take_while(|(_, free_at)| free_at.is_none_or(|free_at| free_at > now))
        .filter(|(submission, _)| is_charged(submission, rules))
        .map(|(_, free_at)| free_at.unwrap_or(DateTime::<Utc>::MAX_UTC))
        .collect();
    // When this one leaves the window there is room for one more.
    let next_at = rate.count.checked_sub(1).and_then(|place| counted.get(place)).copied();
    Some((rate, Used { count: counted.len(), next_at }))
}

/// Whether a submission counts against its user: all that wait, run, or were judged without a fault of the platform or the evaluator.
///
/// What the platform failed on is never charged, in whichever case. Of the evaluator's faults only those in public cases are given back: who made the
/// evaluator fail on some private input, and was told by a place given back, would have read one bit of that input; a private failure shows
/// nowhere while the board is open, and so not here.
fn is_charged(submission: &Submission, rules: &Rules) -> bool {
    let Some(judged) = submission.judged() else { return true };
    if judged.verdicts().any(|verdict| verdict.fault() == Fault::Operator) {
        return false;
    }
    match judged.verdict(&rules.config.cases.public).fault() {
        Fault::Nobody | Fault::Student => true,
        Fault::Instructor | Fault::Operator => false,
    }
}

/// What the quotas have against one more submission of a user, of so many bytes.
#[must_use]
pub fn objection(
    history: &History,
    rules: &Rules,
    user: &UserName,
    size: u64,
    now: DateTime<Utc>,
) -> Option<(Refusal, String)> {
    let limits = &rules.config.submissions;
    if let Some((rate, Used { count, next_at: Some(next_at) })) = used(history, rules, user, now) {
        let reason =
            format!("at most {rate} are taken, and {count} were; the next is taken from {} on", moment::text(next_at));
        return Some((Refusal::Rate, reason));
    }
    let pending = history.pending_of(user);
    if let Some(most) = limits.pending_per_user.filter(|most| pending >= *most) {
        let reason = format!(
            "at most {most} may wait or run at one time, and {pending} do; hand in again when one of them has its result"
        );
        return Some((Refusal::Pending, reason));
    }
    // Not what private cases print: a refusal, and its very number, would tell of it.
    let disk = history.disk_of(user, &rules.config.cases.public);
    if let Some(most) = limits.disk_per_user.filter(|most| disk.saturating_add(size) > *most) {
        let reason = format!(
            "at most {most} bytes are kept for a user, {disk} are, and this file has {size}; only staff can make room"
        );
        return Some((Refusal::Disk, reason));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::Number;
    use crate::core::story::{Story, case, rules};
    use crate::core::users::Users;
    use crate::core::verdict::Verdict;
    use proptest::prelude::*;

    fn second(n: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(n)
    }

    fn at(story: &Story, rules: &Rules, user: &str, now: i64) -> Option<(Refusal, String)> {
        objection(&story.history, rules, &user.parse().expect("a name"), 10, second(now))
    }

    #[test]
    fn the_window_rolls_and_says_when_there_is_room() {
        let rules = rules("[submissions]\nrate = \"2/1m\"\n");
        let mut story = Story::default();
        // Line n is written at second n.
        story.accept("ann");
        assert_eq!(at(&story, &rules, "ann", 1), None);
        story.accept("bob");
        story.accept("ann");
        let (refusal, reason) = at(&story, &rules, "ann", 4).expect("two within a minute");
        assert_eq!(refusal, Refusal::Rate);
        assert_eq!(reason, "at most 2 in 1m are taken, and 2 were; the next is taken from 1970-01-01T00:01:01.000Z on");
        assert_eq!(at(&story, &rules, "bob", 4), None, "another's do not count");
        assert!(at(&story, &rules, "ann", 60).is_some());
        assert_eq!(at(&story, &rules, "ann", 61), None, "at the very moment that was named");
    }

    #[test]
    fn what_the_platform_or_the_evaluator_spoiled_is_given_back_but_for_an_evaluator_that_failed_on_a_private_case() {
        let rules = rules("[submissions]\nrate = \"1/1h\"\n");
        let judged = |one: Verdict, secret: Verdict| {
            let mut story = Story::default();
            story.accept("ann");
            let cases =
                vec![case("one", one, None), case("two", Verdict::Accepted, Some(1.0)), case("secret", secret, None)];
            story.judge(Number(1), cases);
            at(&story, &rules, "ann", 9).is_none()
        };
        use Verdict::*;
        assert!(judged(InfrastructureError, Accepted) && judged(EvaluatorError, Accepted));
        assert!(!judged(Accepted, Accepted) && !judged(TimeLimit, Accepted));
        assert!(judged(Accepted, InfrastructureError) && judged(TimeLimit, InfrastructureError));
        assert!(!judged(Accepted, EvaluatorError));
    }

    #[test]
    fn refused_files_do_not_count_and_staff_are_not_bounded() {
        let mut rules = rules("[submissions]\nrate = \"1/1h\"\n");
        let mut story = Story::default();
        story.refuse(1, "no").refuse(2, "no");
        assert_eq!(at(&story, &rules, "zoe", 9), None);
        story.accept("zoe");
        assert!(at(&story, &rules, "zoe", 9).is_some());
        rules.users = Users::parse("username,password,role\nzoe,,evaluator\n").expect("users");
        assert_eq!(at(&story, &rules, "zoe", 9), None);
    }

    #[test]
    fn what_waits_and_what_is_kept_is_bounded_too() {
        let waiting = rules("[submissions]\npending_per_user = 2\n");
        let mut story = Story::default();
        story.accept("ann");
        assert_eq!(at(&story, &waiting, "ann", 9), None);
        let second = story.accept("ann");
        assert_eq!(at(&story, &waiting, "ann", 9).expect("two wait").0, Refusal::Pending);
        story.judge(second, vec![]);
        assert_eq!(at(&story, &waiting, "ann", 9), None);

        // Two sources of ten bytes are kept, and what was set aside of a refused file.
        assert_eq!(at(&story, &rules("[submissions]\ndisk_per_user = \"30 B\"\n"), "ann", 9), None);
        let (refusal, reason) =
            at(&story, &rules("[submissions]\ndisk_per_user = \"29 B\"\n"), "ann", 9).expect("a byte too many");
        assert_eq!(refusal, Refusal::Disk);
        assert!(reason.contains("29") && reason.contains("20 are"), "{reason}");
    }

    fn verdicts() -> impl Strategy<Value = Vec<Verdict>> {
        proptest::collection::vec(proptest::sample::select(Verdict::ALL.to_vec()), 3)
    }

    proptest! {
        /// Whatever the cases' verdicts: one that the platform spoiled is never charged, one without a fault of others always is, and apart from the
        /// platform's faults nothing in a private case decides.
        #[test]
        fn the_platforms_faults_are_never_charged(verdicts in verdicts(), other in verdicts()) {
            let rules = rules("[submissions]\nrate = \"1/1h\"\n");
            let charged = |verdicts: &[Verdict]| {
                let mut story = Story::default();
                story.accept("ann");
                let cases = ["one", "two", "secret"].iter().zip(verdicts);
                story.judge(Number(1), cases.map(|(name, verdict)| case(name, *verdict, None)).collect());
                at(&story, &rules, "ann", 9).is_some()
            };
            let is_ours = |verdict: &Verdict| *verdict == Verdict::InfrastructureError;
            if verdicts.iter().any(is_ours) {
                prop_assert!(!charged(&verdicts));
            } else {
                prop_assert_eq!(charged(&verdicts), !verdicts[..2].contains(&Verdict::EvaluatorError));
                if !is_ours(&other[2]) {
                    prop_assert_eq!(charged(&verdicts), charged(&[verdicts[0], verdicts[1], other[2]]));
                }
            }
        }

        /// However they come: no window of the rate's length ever holds more than it allows, and who waits until the moment that a refusal
        /// names is taken.
        #[test]
        fn no_window_holds_more_than_the_rate(pauses in proptest::collection::vec(0..40i64, 1..40), count in 1..5usize) {
            let rules = rules(&format!("[submissions]\nrate = \"{count}/1m\"\n"));
            let mut story = Story::default();
            let mut taken: Vec<i64> = Vec::new();
            let mut now = 0;
            for pause in pauses {
                now += pause;
                // The story's clock is its count of lines: told forward to now.
                while story.history.head().map_or(0, |head| head.at.timestamp()) < now {
                    story.tell(crate::core::record::Event::Unknown);
                }
                match at(&story, &rules, "ann", now) {
                    None => {
                        story.accept("ann");
                        now = story.history.head().expect("a line").at.timestamp();
                        taken.push(now);
                    }
                    Some((_, reason)) => {
                        let (_, used) = used(&story.history, &rules, &"ann".parse().expect("name"), second(now)).expect("a rate");
                        let next = used.next_at.expect("a moment");
                        prop_assert!(reason.contains(&moment::text(next)));
                        prop_assert!(next > second(now));
                        prop_assert_eq!(at(&story, &rules, "ann", next.timestamp()), None);
                    }
                }
            }
            for window in taken.windows(count + 1) {
                prop_assert!(window[count] - window[0] >= 60, "{:?}", taken);
            }
        }
    }
}
