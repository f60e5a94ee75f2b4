//! Reading a stranger's bytes: counted, bounded, hashed and decompressed on the way, never held.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use tokio_util::sync::CancellationToken;

use super::unpack::Room;
use crate::core::digest::{Digest, Hasher};

/// What a decoder of xz may take of memory, in KiB: what `xz -9` makes asks for 64 MiB.
const XZ_MEMORY: u32 = 128 << 10;
const BUFFER: usize = 128 << 10;

/// Counts, bounds and hashes what is read through it, and stops when it is asked to.
pub(super) struct Measured<R> {
    inner: R,
    hasher: Hasher,
    bytes: u64,
    most: u64,
    cancel: CancellationToken,
}

impl<R: Read> Measured<R> {
    /// At most `most` bytes can be read: more is an error.
    pub(super) fn new(inner: R, most: u64, cancel: &CancellationToken) -> Self {
        Self { inner, hasher: Hasher::default(), bytes: 0, most, cancel: cancel.clone() }
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn finish(mut self) -> io::Result<(Digest, u64)> {
        let mut buffer = vec![0; BUFFER];
        while self.read(&mut buffer)? > 0 {}
        Ok((self.hasher.finish(), self.bytes))
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("it was cancelled"));
        }
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        if self.bytes > self.most {
            return Err(io::Error::other(format!("it is longer than {} MiB", self.most.div_ceil(1 << 20))));
        }
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

/// Copies a stream into a file, as long as there is room for it.
///
/// # Errors
/// Those of reading and writing.
pub(super) fn keep(mut stream: impl Read, file: &mut File, room: &mut Room) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        room.take(read as u64)?;
        file.write_all(&buffer[..read])?;
    }
}

/// What is in a stream: decompressed if its first bytes say that it is compressed (gzip, zstd, xz).
///
/// # Errors
/// Those of reading.
pub(super) fn plain<'a>(stream: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut stream = BufReader::with_capacity(BUFFER, stream);
    let start = stream.fill_buf()?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(stream)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(Zstd { frame: FrameDecoder::new(), stream, within: false }),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(XzReader::new_mem_limit(stream, true, XZ_MEMORY)),
        _ => Box::new(stream),
    })
}

/// Whether a file that begins so is compressed in a way that [`plain`] knows.
pub(super) fn is_compressed(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b]) || start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || start.starts_with(b"\xfd7zXZ\0")
}

/// The frames of a zstd stream, one after the other; those that are to be skipped are.
struct Zstd<R> {
    frame: FrameDecoder,
    stream: R,
    within: bool,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.within {
                if self.frame.can_collect() > 0 {
                    return self.frame.read(buffer);
                }
                if !self.frame.is_finished() {
                    let one = BlockDecodingStrategy::UptoBlocks(1);
                    self.frame.decode_blocks(&mut self.stream, one).map_err(io::Error::other)?;
                    continue;
                }
                let said = self.frame.get_checksum_from_data();
                if said.is_some() && said != self.frame.get_calculated_checksum() {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a zstd frame's checksum is wrong"));
                }
                self.within = false;
            }
            if self.stream.fill_buf()?.is_empty() {
                return Ok(0);
            }
            match self.frame.reset(&mut self.stream) {
                Ok(()) => self.within = true,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut (&mut self.stream).take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn compressed(by: &[&str], bytes: &[u8]) -> Vec<u8> {
        let mut child = Command::new(by[0])
            .args(&by[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("installed: scripts/setup test does it");
        let mut stdin = child.stdin.take().expect("piped");
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes));
        let output = child.wait_with_output().expect("ended");
        writer.join().expect("joined").expect("written");
        output.stdout
    }

    #[test]
    fn every_way_of_compressing_is_undone_and_what_is_cut_short_is_an_error() {
        let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(|n| (n % 1013).to_le_bytes()).collect();
        for by in [&["gzip", "-c"][..], &["zstd", "-c"], &["zstd", "-c", "--check"], &["xz", "-c", "-9"], &["cat"]] {
            let packed = compressed(by, &bytes);
            let mut read = Vec::new();
            plain(packed.as_slice()).expect("begun").read_to_end(&mut read).expect("read");
            assert!(read == bytes, "{by:?}");
            if by[0] == "cat" {
                continue;
            }
            assert!(is_compressed(&packed));
            let cut = &packed[..packed.len() - 9];
            assert!(
                plain(cut).and_then(|mut stream| io::copy(&mut stream, &mut io::sink())).is_err(),
                "{by:?} cut short"
            );
            // One behind the other, as parallel compressors write them.
            let twice = [packed.as_slice(), packed.as_slice()].concat();
            let mut read = Vec::new();
            plain(twice.as_slice()).expect("begun").read_to_end(&mut read).expect("read");
            assert_eq!(read.len(), 2 * bytes.len(), "{by:?} twice");
        }
        // A frame to be skipped, as `zstd:chunked` ends with.
        let mut packed = compressed(&["zstd", "-c"], &bytes);
        packed.extend([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
        assert_eq!(io::copy(&mut plain(packed.as_slice()).expect("begun"), &mut io::sink()).expect("read"), 4_000_000);
    }

    #[test]
    fn what_is_too_long_is_an_error_and_not_a_short_file() {
        let cancel = CancellationToken::new();
        assert!(Measured::new(&b"12345"[..], 4, &cancel).finish().is_err());
        assert_eq!(Measured::new(&b"12345"[..], 5, &cancel).finish().expect("read"), (Digest::of(b"12345"), 5));
        cancel.cancel();
        assert!(Measured::new(&b"12345"[..], 5, &cancel).finish().is_err());
    }
}
