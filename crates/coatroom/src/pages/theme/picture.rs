//! Pictures of a theme.

use bytes::Bytes;

use crate::pages::asset::Asset;

/// Takes a picture that browsers show: PNG, JPEG, WebP or SVG.
///
/// # Errors
/// Why it is none.
pub(super) fn picture(name: &str, bytes: &[u8]) -> Result<Asset, String> {
    if bytes.len() > LARGEST {
        return Err(format!("it has {} bytes; a picture may have {LARGEST}", bytes.len()));
    }
    let kind = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => ("png", "image/png"),
        [0xff, 0xd8, 0xff, ..] => ("jpg", "image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ("webp", "image/webp"),
        other if is_svg(other) => ("svg", "image/svg+xml"),
        _ => return Err("it is no PNG, JPEG, WebP or SVG picture".to_owned()),
    };
    Ok(Asset::new(name, kind, Bytes::copy_from_slice(bytes)))
}

/// Whether bytes are a document whose first element is `svg`.
fn is_svg(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = match rest {
            it if it.starts_with("<?xml") => "?>",
            it if it.starts_with("<!--") => "-->",
            it if it.starts_with("<!DOCTYPE svg") => ">",
            it => {
                return it
                    .strip_prefix("<svg")
                    .is_some_and(|it| it.starts_with([' ', '\n', '\r', '\t', '>', '/']));
            }
        };
        let Some((_, after)) = rest.split_once(end) else { return false };
        rest = after.trim_start();
    }
}

/// The largest picture, in bytes.
const LARGEST: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_how_it_begins() {
        for (bytes, extension) in [
            (&b"\x89PNG\r\n\x1a\n..."[..], Some("png")),
            (b"\xff\xd8\xff\xe0...", Some("jpg")),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", Some("webp")),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Some("svg")),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made by hand -->\n<svg>", Some("svg")),
            (b"GIF89a...", None),
            (b"<svgx/>", None),
            (b"<!doctype html><svg/>", None),
            (b"<html><svg/></html>", None),
            (b"<!-- <svg>", None),
            (b"", None),
        ] {
            let found = picture("logo", bytes).ok().map(|asset| asset.path);
            let found =
                found.as_deref().and_then(|path| path.rsplit_once('.')).map(|(_, extension)| extension);
            assert_eq!(found, extension, "{:?}", String::from_utf8_lossy(bytes));
        }
        let mut large = b"\xff\xd8\xff".to_vec();
        large.resize(LARGEST + 1, 0);
        assert!(picture("logo", &large).unwrap_err().contains("262145 bytes"));
    }
}
