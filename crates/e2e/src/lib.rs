//! The whole thing from outside: the real binary, real clients written by others, a real browser.
