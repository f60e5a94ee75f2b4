//! Swap: whether this machine has any, and what to say where a run cannot be kept out of it.
//!
//! A run that reaches its limit on memory would go on in swap, slowly, and with it everybody else on the machine.

use std::fs;
use std::io;

/// What this machine has, as the kernel lists it.
///
/// # Errors
/// The list is there and cannot be read.
pub(super) fn list() -> io::Result<String> {
    match fs::read_to_string("/proc/swaps") {
        // A kernel without swap.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    }
}

/// What speaks against a run whose swap cannot be bounded, on a machine with this list; without a list, on one that cannot be
/// looked at. `None`: there is nothing to be kept out of.
pub(super) fn objection(list: Option<&str>) -> Option<String> {
    const REMEDY: &str = "boot it with `swapaccount=1`, or turn swap off (`swapoff -a`, and its lines in /etc/fstab)";
    match list {
        // The first line says what is in the columns.
        Some(list) => {
            list.lines().skip(1).find_map(|line| line.split_whitespace().next()).map(|area| {
                format!("the machine has swap ({area}), and its kernel cannot keep a run out of it: {REMEDY}")
            })
        }
        None => Some(format!(
            "the engine cannot keep a run out of swap, and whether its machine has any cannot be seen from here: {REMEDY}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_machine_with_swap_has_to_be_able_to_bound_it() {
        let columns = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert_eq!(objection(Some("")), None);
        assert_eq!(objection(Some(columns)), None);
        let said = objection(Some(&format!("{columns}/dev/dm-1  partition\t999420\t0\t-2\n"))).expect("an objection");
        assert!(said.contains("/dev/dm-1") && said.contains("swapaccount=1") && said.contains("swapoff"), "{said}");
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_taken_for_a_machine_without() {
        assert!(objection(None).is_some_and(|said| said.contains("swapaccount=1")));
    }

    #[test]
    fn this_machines_list_can_be_read() {
        list().expect("readable");
    }
}
