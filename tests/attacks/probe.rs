//! The programs that attack.

/// A probe by its file's name, as it lies in `probes/`.
pub fn text(name: &str) -> &'static str {
    PROBES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
        .unwrap_or_else(|| panic!("there is no probe {name}"))
}

/// A probe that is given arguments, by a line of its own: a daemon passes none on.
pub fn with(name: &str, arguments: &[&str]) -> String {
    format!("import sys; sys.argv[1:] = {arguments:?}\n{}", text(name))
}

/// A probe that finds a variable in its environment, by a line of its own.
pub fn with_variable(name: &str, variable: &str, value: &str) -> String {
    format!("import os; os.environ[{variable:?}] = {value:?}\n{}", text(name))
}

macro_rules! probes {
    ($($name:literal)*) => { const PROBES: &[(&str, &str)] = &[$(($name, include_str!(concat!("probes/", $name, ".py")))),*]; };
}

probes! {
    "SBX-01" "SBX-02" "SBX-03" "SBX-04" "SBX-05" "SBX-06" "SBX-07"
    "RES-01" "RES-02" "RES-03" "RES-04" "RES-05" "RES-06" "RES-07" "RES-08"
    "EVAL-01" "EVAL-02" "EVAL-04" "LEAK-01"
    "OWN-01" "OWN-02" "OWN-03" "OWN-04" "OWN-05" "OWN-06" "OWN-07" "OWN-08" "OWN-09"
    "OWN-10" "OWN-11" "OWN-12" "OWN-13" "OWN-14" "OWN-15" "OWN-16" "OWN-17" "OWN-18"
    "OWN-19" "OWN-20" "OWN-21" "OWN-22" "OWN-23" "OWN-24" "OWN-25" "OWN-26" "OWN-27"
}
