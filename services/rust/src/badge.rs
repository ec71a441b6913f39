//! A picture for each item.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use sha2::{Digest, Sha256};

use crate::app::Shared;
use crate::error::ApiError;
use crate::items;

/// A row is mirrored, so half of its cells are free.
const CELLS: usize = 8;
const CELL_PIXELS: usize = 8;
const SIZE: usize = CELLS * CELL_PIXELS;

pub async fn badge(
    State(app): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let item = items::find(&app, &headers, &id).ok_or_else(|| ApiError::no_such_item(&id))?;
    let about = [
        (header::CONTENT_TYPE, "image/png"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    Ok((about, badge_png(&item.id)))
}

/// Draws a symmetric pattern from the digest of the id, in two colours.
fn badge_png(id: &str) -> Vec<u8> {
    let digest = Sha256::digest(id);
    let mut pixels = Vec::with_capacity(SIZE * (SIZE + 1));
    for y in 0..SIZE {
        pixels.push(0); // each row begins with its filter: none
        for x in 0..SIZE {
            let (column, row) = (x / CELL_PIXELS, y / CELL_PIXELS);
            let column = column.min(CELLS - 1 - column);
            pixels.push(digest[row * CELLS / 2 + column] & 1);
        }
    }
    let mut header = Vec::new();
    header.extend((SIZE as u32).to_be_bytes());
    header.extend((SIZE as u32).to_be_bytes());
    header.extend([8, 3, 0, 0, 0]); // 8 bits, palette, no interlacing
    let mut palette = vec![0xf5; 3];
    palette.extend(&digest[28..31]);
    let mut image = b"\x89PNG\r\n\x1a\n".to_vec();
    push_chunk(&mut image, b"IHDR", &header);
    push_chunk(&mut image, b"PLTE", &palette);
    push_chunk(&mut image, b"IDAT", &zlib_stored(&pixels));
    push_chunk(&mut image, b"IEND", &[]);
    image
}

/// Wraps data in one stored block (RFC 1950, RFC 1951): no compressor, so no two
/// implementations can differ. The data must be shorter than 65,536 bytes.
fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let mut out = vec![0x78, 0x01, 0x01];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(data);
    out.extend(adler2::adler32_slice(data).to_be_bytes());
    out
}

fn push_chunk(image: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    image.extend((data.len() as u32).to_be_bytes());
    let body = [kind, data].concat();
    image.extend(&body);
    image.extend(crc32fast::hash(&body).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_without_compressing() {
        let wrapped = zlib_stored(b"abc");
        assert_eq!(wrapped, b"\x78\x01\x01\x03\x00\xfc\xffabc\x02\x4d\x01\x27");
    }

    #[test]
    fn ends_as_a_png_does() {
        let image = badge_png("itm-00001");
        assert!(image.starts_with(b"\x89PNG\r\n\x1a\n"));
        assert!(image.ends_with(b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"));
    }
}
