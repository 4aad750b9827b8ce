//! Logos of clients: fetched by us, kept in memory, and shown from our own address, so that no client learns who looks at
//! its page. A logo that cannot be had changes nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use coatroom_protocol::words::{base64url, sha256};

/// A picture that browsers can show and that runs nothing.
#[derive(Debug, Clone)]
pub(crate) struct Logo {
    /// The hash of its bytes, by which it is served.
    pub(crate) name: String,
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Bytes,
}

impl Logo {
    /// Takes bytes that begin as PNG, JPEG, GIF or WebP do. SVG is a document that can run code, and no picture here.
    pub(super) fn read(bytes: Bytes) -> Option<Self> {
        let media_type = match bytes.as_ref() {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            _ => return None,
        };
        Some(Self { name: base64url(&sha256(&bytes)), media_type, bytes })
    }
}

/// The logos that pages refer to, the newest last.
#[derive(Debug, Default)]
pub(super) struct Logos(Mutex<VecDeque<Logo>>);

impl Logos {
    /// The logo of this name.
    pub(super) fn find(&self, name: &str) -> Option<Logo> {
        self.lock().iter().find(|logo| logo.name == name).cloned()
    }

    /// Keeps a logo for the browsers that are about to ask for it.
    pub(super) fn keep(&self, logo: &Logo) {
        let mut logos = self.lock();
        logos.retain(|known| known.name != logo.name);
        logos.push_back(logo.clone());
        let mut bytes: usize = logos.iter().map(|logo| logo.bytes.len()).sum();
        while bytes > MOST_BYTES {
            bytes -= logos.pop_front().map_or(bytes, |oldest| oldest.bytes.len());
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Logo>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of all logos together.
const MOST_BYTES: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(number: u32, size: usize) -> Logo {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        bytes.extend(number.to_be_bytes());
        bytes.resize(size, 0);
        Logo::read(bytes.into()).unwrap()
    }

    #[test]
    fn a_logo_is_known_by_how_it_begins() {
        for (bytes, media_type) in [
            (&b"\x89PNG\r\n\x1a\n..."[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0...", Some("image/jpeg")),
            (b"GIF89a...", Some("image/gif")),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", Some("image/webp")),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
            (b"<?xml version='1.0'?><svg/>", None),
            (b"<!doctype html>", None),
            (b"RIFF\x01\x02\x03\x04WAVE", None),
            (b"", None),
        ] {
            let found = Logo::read(Bytes::from_static(bytes)).map(|logo| logo.media_type);
            assert_eq!(found, media_type, "{bytes:?}");
        }
    }

    #[test]
    fn memory_of_logos_is_bounded_and_the_oldest_goes_first() {
        let logos = Logos::default();
        for number in 0..100 {
            logos.keep(&picture(number, 64 * 1024));
            logos.keep(&picture(0, 64 * 1024));
        }
        let kept = logos.lock();
        assert!(kept.iter().map(|logo| logo.bytes.len()).sum::<usize>() <= MOST_BYTES);
        drop(kept);
        assert!(logos.find(&picture(0, 64 * 1024).name).is_some());
        assert!(logos.find(&picture(99, 64 * 1024).name).is_some());
        assert!(logos.find(&picture(1, 64 * 1024).name).is_none());
    }
}
