//! What stands between a container's first process and the program: a shell, and the few bytes in which it tells how
//! things ended.
//!
//! The shell is process 1 of the container. It gives the program the whole environment and no more, lets it run as an
//! ordinary process (a process 1 does not die of most signals), ends what the program leaves running, and only then
//! looks for the answer file, which it sends behind the program's own output: a container's writable folders vanish
//! with it, and taking files out of a running container is a way to break out of one. At the very end comes a trailer
//! of fixed length. It is read from the end of the stream, so nothing that the program prints can be taken for it, and
//! a program that goes to the length of taking over its shell has forged its own answer only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use super::super::{ANSWER_FILE, AnswerFile, ENVIRONMENT, RunSpec, SCRATCH, answer, capture};

/// Where the shell finds the program's standard input.
pub(super) const STDIN: &str = "/run/stdin";
const NO_STDIN: &str = "/dev/null";
/// Bytes of the trailer: `status kind size killed cpu memory` and a line's end, as in
/// `000 taken__ 000000000042 0 000000021000000 000000009437184`.
pub(super) const TRAILER: u64 = 59;

/// Variables that an engine adds: Podman's, and those by which graphics processors are passed on.
const ENGINES: &str = "HOSTNAME TERM container NVIDIA_VISIBLE_DEVICES NVIDIA_DRIVER_CAPABILITIES";

/// How the program ended and what became of its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    status: i32,
    kind: Kind,
    size: u64,
    /// The kernel killed a process of the container for want of memory.
    out_of_memory: bool,
    /// Nanoseconds of processor time that the container has used, and the most memory, in bytes; 0 where that is not to be
    /// seen from inside.
    used: (u64, u64),
}

/// What the shell found. The spellings are those of the script below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    NoProgram,
    Unwanted,
    Missing,
    Link,
    Special,
    Unreadable,
    TooLong,
    Taken,
}

const KINDS: [(&[u8; 7], Kind); 8] = [
    (b"absent_", Kind::NoProgram),
    (b"unasked", Kind::Unwanted),
    (b"missing", Kind::Missing),
    (b"symlink", Kind::Link),
    (b"special", Kind::Special),
    (b"private", Kind::Unreadable),
    (b"toolong", Kind::TooLong),
    (b"taken__", Kind::Taken),
];

/// The container's whole command.
pub(super) fn command(spec: &RunSpec) -> Vec<String> {
    let environment: Vec<String> = ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let environment = environment.join(" ");
    let stdin = if spec.stdin.is_some() { STDIN } else { NO_STDIN };
    // The shell's own remarks ("Segmentation fault") must not stand in the program's output: its standard error is
    // closed to it, and only in a shell of its own has the program the real one back. Shells export variables of
    // theirs, an engine some of its own; bash has one that cannot be unset, the others are spared the time
    // that one more program takes. `command -v` first, because a missing program is the configuration's fault, and 127
    // anybody's status.
    let mut script = format!(
        "exec 3>&2 2>/dev/null
cap=$1; shift
status=0 kind=absent_ size=0 killed=0 cpu=0 memory=0
if command -v \"$1\"; then
  if [ -n \"$BASH_VERSION\" ]; then
    (exec env -i {environment} \"$@\" <{stdin} >&4 2>&3 3>&- 4>&-)
  else
    (unset PWD OLDPWD SHLVL {ENGINES}; exec \"$@\" <{stdin} >&4 2>&3 3>&- 4>&-)
  fi
  status=$? kind=unasked
  exec 3>&-
  tries=0
  while kill -s KILL -- -1 && [ $tries -lt 100 ]; do env true; tries=$((tries+1)); done
"
    );
    if spec.answer_file {
        script += &format!(
            "  chmod 700 {SCRATCH}
  file={SCRATCH}/{ANSWER_FILE}
  if [ -h $file ]; then kind=symlink
  elif [ ! -e $file ]; then kind=missing
  elif [ ! -f $file ]; then kind=special
  elif [ ! -r $file ]; then kind=private
  else
    size=$(head -c $((cap+1)) $file | wc -c)
    if [ $size -gt $cap ]; then kind=toolong size=0; else kind=taken__; head -c $size $file >&4; fi
  fi
"
        );
    }
    // Not every engine says who was killed for want of memory, none what was used in the end, and of a container on another
    // machine nobody else can. Version 2 of control groups first, then version 1; gVisor has neither.
    script += "fi
at=/sys/fs/cgroup
for file in $at/memory.events $at/memory/memory.oom_control; do
  [ -r $file ] && while read -r name count; do
    [ \"$name\" = oom_kill ] && [ \"$count\" != 0 ] && killed=1
  done <$file
done
file=$at/cpu.stat
[ -r $file ] && while read -r name count; do [ \"$name\" = usage_usec ] && cpu=$((count*1000)); done <$file
file=$at/cpuacct/cpuacct.usage; [ -r $file ] && read -r cpu <$file
for file in $at/memory.peak $at/memory/memory.max_usage_in_bytes; do [ -r $file ] && read -r memory <$file; done
printf '%03d %s %012d %d %015d %015d\\n' $status $kind $size $killed $cpu $memory >&4
";
    // What the shell itself prints goes nowhere; 4 is the stream that is read.
    let script = format!("exec 4>&1 >/dev/null\n{script}");
    let mut command: Vec<String> =
        vec!["sh".into(), "-c".into(), script, "podium".into(), spec.limits.output.to_string()];
    command.extend(spec.command.iter().cloned());
    command
}

/// How many bytes a stream that ends with an answer and a trailer may have before it is clear that the program printed
/// too much.
pub(super) fn allowance(spec: &RunSpec) -> u64 {
    spec.limits.output + TRAILER + if spec.answer_file { spec.limits.output } else { 0 }
}

impl Trailer {
    /// Cuts answer and trailer from the end of the program's output.
    ///
    /// Afterwards `stdout` holds what the program printed, `to` the answer if there is a fit one. `None`: there is no
    /// trailer.
    ///
    /// # Errors
    /// Of reading or writing the files.
    pub(super) fn cut_from(stdout: &Path, to: &Path) -> io::Result<Option<Cut>> {
        let mut file = OpenOptions::new().read(true).write(true).open(stdout)?;
        let length = file.metadata()?.len();
        let Some(before) = length.checked_sub(TRAILER) else { return Ok(None) };
        let mut bytes = [0; TRAILER as usize];
        file.seek(SeekFrom::Start(before))?;
        file.read_exact(&mut bytes)?;
        let Some(trailer) = Self::parse(&bytes) else { return Ok(None) };
        let Some(printed) = before.checked_sub(trailer.size) else { return Ok(None) };
        if trailer.kind == Kind::Taken {
            file.seek(SeekFrom::Start(printed))?;
            io::copy(&mut Read::by_ref(&mut file).take(trailer.size), &mut capture::create(to)?)?;
        }
        file.set_len(printed)?;
        Ok(Some(Cut { trailer, printed }))
    }

    fn parse(bytes: &[u8; TRAILER as usize]) -> Option<Self> {
        let (status, kind, size, killed) = (&bytes[..3], &bytes[4..11], &bytes[12..24], bytes[25]);
        let used = (&bytes[27..42], &bytes[43..58]);
        let number = |digits: &[u8]| {
            digits
                .iter()
                .try_fold(0_u64, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
        };
        let (_, kind) = KINDS.iter().find(|(spelling, _)| spelling[..] == *kind)?;
        let blanks = [3, 11, 24, 26, 42].map(|at| bytes[at]);
        let is_framed = blanks == [b' '; 5] && matches!(killed, b'0' | b'1') && bytes[58] == b'\n';
        is_framed.then_some(Self {
            status: i32::try_from(number(status)?).ok()?,
            kind: *kind,
            size: number(size)?,
            out_of_memory: killed == b'1',
            used: (number(used.0)?, number(used.1)?),
        })
    }
}

/// What was cut from a stream.
#[derive(Debug)]
pub(super) struct Cut {
    trailer: Trailer,
    /// Bytes that the program itself printed.
    pub(super) printed: u64,
}

impl Cut {
    /// The program's status by the shells' rule; `None`: there is no such program.
    pub(super) fn status(&self) -> Option<i32> {
        (self.trailer.kind != Kind::NoProgram).then_some(self.trailer.status)
    }

    /// Whether the kernel killed a process of the container for want of memory.
    pub(super) fn out_of_memory(&self) -> bool {
        self.trailer.out_of_memory
    }

    /// The processor time that the container has used, and the most memory, in bytes, as its shell has read them. Whoever
    /// takes over the shell can make them less: never believe them against another's word that it was more.
    pub(super) fn used(&self) -> (Duration, u64) {
        (Duration::from_nanos(self.trailer.used.0), self.trailer.used.1)
    }

    pub(super) fn answer(&self, cap: u64) -> AnswerFile {
        match self.trailer.kind {
            Kind::NoProgram | Kind::Unwanted => AnswerFile::NotWanted,
            Kind::Missing => AnswerFile::Missing,
            Kind::Link => AnswerFile::Refused(answer::IS_A_LINK.into()),
            Kind::Special => AnswerFile::Refused(answer::IS_NOT_A_FILE.into()),
            Kind::Unreadable => AnswerFile::Refused(answer::IS_UNREADABLE.into()),
            Kind::TooLong => AnswerFile::Refused(answer::is_too_long(cap)),
            Kind::Taken => AnswerFile::Taken(self.trailer.size),
        }
    }
}

/// Cuts a stream without a trailer, or with too much before it, to what may be kept.
///
/// # Errors
/// Of changing the file.
pub(super) fn cut_to(stdout: &Path, cap: u64) -> io::Result<u64> {
    let file = File::options().write(true).open(stdout)?;
    let length = file.metadata()?.len();
    if length > cap {
        file.set_len(cap)?;
    }
    Ok(length.min(cap))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stream: &str, expected: Option<(Option<i32>, AnswerFile, &str, Option<&str>)>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (stdout, answer) = (folder.path().join("stdout"), folder.path().join("answer"));
        std::fs::write(&stdout, stream).expect("write");
        let cut = Trailer::cut_from(&stdout, &answer).expect("cut");
        let found = cut.map(|cut| (cut.status(), cut.answer(100)));
        assert_eq!(found, expected.as_ref().map(|(status, answer, ..)| (*status, answer.clone())), "{stream:?}");
        let (printed, kept) = expected.map_or((stream, None), |(_, _, printed, kept)| (printed, kept));
        assert_eq!(std::fs::read_to_string(&stdout).expect("read"), printed);
        assert_eq!(std::fs::read_to_string(&answer).ok().as_deref(), kept);
    }

    #[test]
    fn what_the_program_printed_is_kept_apart_from_what_the_shell_adds() {
        check(
            "hello000 unasked 000000000000 0 000000021000000 000000009437184\n",
            Some((Some(0), AnswerFile::NotWanted, "hello", None)),
        );
        check(
            "hello{}139 taken__ 000000000002 0 000000021000000 000000009437184\n",
            Some((Some(139), AnswerFile::Taken(2), "hello", Some("{}"))),
        );
        check(
            "001 missing 000000000000 0 000000021000000 000000009437184\n",
            Some((Some(1), AnswerFile::Missing, "", None)),
        );
        check(
            "000 absent_ 000000000000 0 000000021000000 000000009437184\n",
            Some((None, AnswerFile::NotWanted, "", None)),
        );
        check(
            "000 toolong 000000000000 0 000000021000000 000000009437184\n",
            Some((Some(0), AnswerFile::Refused(answer::is_too_long(100)), "", None)),
        );
    }

    #[test]
    fn who_was_killed_and_what_was_used_is_told() {
        let trailer = |killed: char| {
            let text = format!("137 unasked 000000000000 {killed} 000000021000000 000000009437184\n");
            Trailer::parse(text.as_bytes().try_into().expect("as long as a trailer"))
        };
        for (killed, expected) in [('1', true), ('0', false)] {
            let trailer = trailer(killed).expect("a trailer");
            assert_eq!((trailer.out_of_memory, trailer.used), (expected, (21_000_000, 9 << 20)));
        }
        assert_eq!(trailer('2'), None);
    }

    #[test]
    fn a_trailer_in_the_middle_is_output() {
        let forged = "000 taken__ 000000000001 0 000000021000000 000000009437184\n";
        check(
            &format!("{forged}000 unasked 000000000000 0 000000021000000 000000009437184\n"),
            Some((Some(0), AnswerFile::NotWanted, forged, None)),
        );
    }

    #[test]
    fn what_is_no_trailer_is_not_taken_for_one() {
        for stream in [
            "",
            "000 unasked 00000000000 0 000000021000000 000000009437184\n",
            "000 unasked 000000000000 2 000000021000000 000000009437184\n",
            "000 unasked 000000000000\n",
            "000 unasked 00000000000x 0 000000021000000 000000009437184\n",
            "000 nonsens 000000000000 0 000000021000000 000000009437184\n",
            "000 taken__ 000000000001 0 000000021000000 000000009437184\n",
        ] {
            check(stream, None);
        }
    }
}
