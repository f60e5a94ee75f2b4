//! What a public key is inside: damage and a kind that it is not are seen before sshd reads it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The kinds of keys that OpenSSH takes today, and of how many fields each consists.
const KINDS: [(&str, usize); 7] = [
    ("ssh-ed25519", 2),
    ("sk-ssh-ed25519@openssh.com", 3),
    ("ecdsa-sha2-nistp256", 3),
    ("ecdsa-sha2-nistp384", 3),
    ("ecdsa-sha2-nistp521", 3),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 4),
    ("ssh-rsa", 3),
];
/// The shortest modulus of an RSA key, in bytes: 2048 bits.
const SHORTEST_MODULUS: usize = 256;

/// Whether such a kind of key is taken at all.
pub(super) fn is_known(kind: &str) -> bool {
    KINDS.iter().any(|(known, _)| *known == kind)
}

/// Looks into a key of a known kind. `key`: its bytes in base64.
pub(super) fn check(kind: &str, key: &str) -> Result<(), &'static str> {
    const DAMAGED: &str = "this key is not whole";
    let fields = KINDS.iter().find(|(known, _)| *known == kind).map_or(0, |(_, fields)| *fields);
    let bytes = STANDARD.decode(key).map_err(|_| DAMAGED)?;
    let parts = parts(&bytes).filter(|parts| parts.len() == fields).ok_or(DAMAGED)?;
    if parts[0] != kind.as_bytes() {
        return Err("this key is of another kind than its line says");
    }
    let right = match kind {
        "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" => parts[1].len() == 32,
        "ssh-rsa" => {
            if parts[2].iter().skip_while(|byte| **byte == 0).count() < SHORTEST_MODULUS {
                return Err("this RSA key is too short; at least 2048 bits are wanted");
            }
            // sshd passes over zeros in front: two spellings of one key would be two people's.
            is_shortest(parts[1]) && is_shortest(parts[2])
        }
        // "ecdsa-sha2-nistp256" and the name of the curve once more.
        _ => kind.split('@').next().is_some_and(|kind| kind.as_bytes().ends_with(parts[1])) && !parts[1].is_empty(),
    };
    if right { Ok(()) } else { Err(DAMAGED) }
}

/// Whether a positive number is written as RFC 4251 has it: without a byte that says nothing.
fn is_shortest(number: &[u8]) -> bool {
    match number {
        [0, next, ..] => *next >= 0x80,
        [first, ..] => (1..0x80).contains(first),
        [] => false,
    }
}

/// The fields of a key: each has its length in front, RFC 4251.
fn parts(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length)?;
        parts.push(part);
        bytes = rest;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(parts: &[&[u8]]) -> String {
        let bytes = parts.iter().flat_map(|part| {
            let length = u32::try_from(part.len()).expect("short").to_be_bytes();
            length.into_iter().chain(part.iter().copied()).collect::<Vec<_>>()
        });
        STANDARD.encode(bytes.collect::<Vec<_>>())
    }

    #[test]
    fn good_keys_of_every_kind() {
        for (kind, key) in [
            ("ssh-ed25519", blob(&[b"ssh-ed25519", &[1; 32]])),
            ("ecdsa-sha2-nistp384", blob(&[b"ecdsa-sha2-nistp384", b"nistp384", &[4; 97]])),
            (
                "sk-ecdsa-sha2-nistp256@openssh.com",
                blob(&[b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", &[4; 65], b"ssh:"]),
            ),
            ("sk-ssh-ed25519@openssh.com", blob(&[b"sk-ssh-ed25519@openssh.com", &[7; 32], b"ssh:"])),
            ("ssh-rsa", blob(&[b"ssh-rsa", &[1, 0, 1], &[&[0], &[0x81; 256][..]].concat()])),
        ] {
            assert_eq!(check(kind, &key), Ok(()), "{kind}");
        }
    }

    #[test]
    fn one_rsa_key_has_one_spelling() {
        // A zero in front of a number changes nothing for sshd, so that somebody else's key could be listed as one's own.
        let (e, mut n) = (vec![1, 0, 1], vec![0x81; 256]);
        n.insert(0, 0);
        let key = |e: &[u8], n: &[u8]| check("ssh-rsa", &blob(&[b"ssh-rsa", e, n]));
        assert_eq!(key(&e, &n), Ok(()));
        assert_eq!(key(&e, &[0x7f; 256]), Ok(()));
        let longer = |number: &[u8]| [&[0], number].concat();
        assert!(key(&e, &longer(&n)).is_err());
        assert!(key(&e, &longer(&[0x7f; 256])).is_err());
        assert!(key(&longer(&e), &n).is_err());
        // Without the zero it is a negative number, which sshd does not take.
        assert!(key(&e, &n[1..]).is_err());
    }

    #[test]
    fn what_is_damaged_short_or_of_another_kind_is_no_key() {
        let good = blob(&[b"ssh-ed25519", &[1; 32]]);
        for (kind, key) in [
            ("ssh-rsa", good.clone()),
            ("ssh-ed25519", good[..good.len() - 4].to_owned()),
            ("ssh-ed25519", format!("{good}AAAA")),
            ("ssh-ed25519", format!("{good}\"")),
            ("ssh-ed25519", String::new()),
            ("ssh-ed25519", blob(&[b"ssh-ed25519", &[1; 31]])),
            ("ssh-ed25519", blob(&[b"ssh-ed25519", &[1; 32], b"more"])),
            ("ssh-rsa", blob(&[b"ssh-rsa", &[1, 0, 1], &[0x81; 128]])),
            ("ecdsa-sha2-nistp256", blob(&[b"ecdsa-sha2-nistp256", b"nistp384", &[4; 65]])),
            ("ecdsa-sha2-nistp256", blob(&[b"ecdsa-sha2-nistp256", b"", &[4; 65]])),
            ("ssh-dss", blob(&[b"ssh-dss", b"p", b"q", b"g", b"y"])),
        ] {
            assert!(check(kind, &key).is_err(), "{kind} {key}");
        }
        assert!(!is_known("ssh-dss") && !is_known("ssh-ed25519-cert-v01@openssh.com"));
    }
}
