//! Pictures made small: a page has few colours, and a PNG that only numbers 256 of them has far fewer bytes.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
type Colour = [u8; 3];

/// The same picture in the 256 colours that it has most of; what has another takes the nearest.
pub fn reduce(png: &[u8]) -> Vec<u8> {
    let Pixels { width, height, colours } = read(png);
    let mut counts: BTreeMap<Colour, usize> = BTreeMap::new();
    for colour in &colours {
        *counts.entry(*colour).or_default() += 1;
    }
    let mut most: Vec<Colour> = counts.keys().copied().collect();
    most.sort_by_key(|colour| std::cmp::Reverse(counts[colour]));
    most.truncate(256);
    let places: BTreeMap<Colour, u8> = counts.keys().map(|colour| (*colour, nearest(&most, *colour))).collect();

    let mut rows = Vec::with_capacity(colours.len() + height);
    for row in colours.chunks(width) {
        // Filters help photographs, and not pictures of numbered colours.
        rows.push(0);
        rows.extend(row.iter().map(|colour| places[colour]));
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&rows).expect("in memory");
    let mut header = Vec::new();
    for side in [width, height] {
        header.extend(u32::try_from(side).expect("a picture of this world").to_be_bytes());
    }
    // Eight bits each, numbered colours, and nothing out of the ordinary.
    header.extend([8, 3, 0, 0, 0]);
    let mut out = SIGNATURE.to_vec();
    chunk(&mut out, *b"IHDR", &header);
    chunk(&mut out, *b"PLTE", most.as_flattened());
    chunk(&mut out, *b"IDAT", &encoder.finish().expect("in memory"));
    chunk(&mut out, *b"IEND", &[]);
    out
}

fn nearest(of: &[Colour], wanted: Colour) -> u8 {
    let far = |colour: &Colour| (0..3).map(|part| u32::from(colour[part].abs_diff(wanted[part])).pow(2)).sum::<u32>();
    let (place, _) = of.iter().enumerate().min_by_key(|(_, colour)| far(colour)).expect("some colour");
    u8::try_from(place).expect("256 at most")
}

fn chunk(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    out.extend(u32::try_from(data.len()).expect("small").to_be_bytes());
    let mut crc = Crc::new();
    for part in [&kind[..], data] {
        crc.update(part);
        out.extend(part);
    }
    out.extend(crc.sum().to_be_bytes());
}

struct Pixels {
    width: usize,
    height: usize,
    colours: Vec<Colour>,
}

/// A PNG as Chromium writes them: eight bits for each of three or four parts, not interlaced.
fn read(png: &[u8]) -> Pixels {
    let mut rest = png.strip_prefix(SIGNATURE).expect("a PNG");
    let (mut header, mut packed) = (Vec::new(), Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let data = &behind[4..4 + length];
        match &behind[..4] {
            b"IHDR" => header = data.to_vec(),
            b"IDAT" => packed.extend(data),
            _ => {}
        }
        rest = &behind[4 + length + 4..];
    }
    let side = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes")) as usize;
    let (width, height) = (side(0), side(4));
    let parts = match header[8..] {
        [8, 2, 0, 0, 0] => 3,
        [8, 6, 0, 0, 0] => 4,
        ref other => panic!("a PNG of another kind: {other:?}"),
    };
    let mut bytes = Vec::new();
    ZlibDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("whole");
    let mut above = vec![0; width * parts];
    let mut colours = Vec::with_capacity(width * height);
    for line in bytes.chunks(1 + width * parts) {
        let mut row = line[1..].to_vec();
        unfilter(line[0], &mut row, &above, parts);
        colours.extend(row.chunks(parts).map(|pixel| [pixel[0], pixel[1], pixel[2]]));
        above = row;
    }
    Pixels { width, height, colours }
}

/// Undoes what a line was prepared with for packing: each byte is told by its difference from what its neighbours let expect.
fn unfilter(filter: u8, row: &mut [u8], above: &[u8], parts: usize) {
    for at in 0..row.len() {
        let (left, corner) = if at < parts { (0, 0) } else { (row[at - parts], above[at - parts]) };
        let up = above[at];
        let expected = match filter {
            0 => 0,
            1 => left,
            2 => up,
            3 => left.midpoint(up),
            4 => paeth(left, up, corner),
            other => panic!("no filter of PNG: {other}"),
        };
        row[at] = row[at].wrapping_add(expected);
    }
}

/// Whichever of three is nearest to the plane through them.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let plane = i32::from(left) + i32::from(up) - i32::from(corner);
    let far = |byte: &u8| (plane - i32::from(*byte)).abs();
    // The first of those that are equally near.
    [left, up, corner].into_iter().min_by_key(far).expect("three")
}
