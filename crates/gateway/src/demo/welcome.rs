//! x
pub(crate) fn welcome() -> String {
    String::new()
}
