use percent_encoding::percent_decode_str;

/// The parameters of a query string or form body, repeats included.
///
/// OAuth forbids repeated parameters (OAuth 2.1 §3.1 and §3.2); `resource` alone may repeat (RFC 8707 §2). A parameter
/// without a value counts as absent.
#[derive(Clone, Default)]
pub struct Params(Vec<(String, String)>);

/// Why parameters cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsRefusal {
    /// A percent sequence that is not UTF-8, or a NUL.
    #[error("parameters must be percent-encoded UTF-8 without NUL")]
    Encoding,
    /// Too many parameters.
    #[error("a request has at most {limit} parameters")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A name or value beyond its limit.
    #[error("the parameter {name} is longer than {limit} bytes")]
    TooLong {
        /// Its name, or the beginning of it.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// A parameter that may stand once only.
    #[error("the parameter {name} is repeated")]
    Repeated {
        /// Its name.
        name: String,
    },
}

impl Params {
    /// Reads `application/x-www-form-urlencoded` text.
    ///
    /// # Errors
    /// When the text is not percent-encoded UTF-8, has more than 100 parameters, or a very long one. Repeats are not refused here, since
    /// the place where that refusal is shown depends on which parameter repeats.
    pub fn parse(text: &str) -> Result<Self, ParamsRefusal> {
        let mut pairs = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            if pairs.len() == MAX_PARAMS {
                return Err(ParamsRefusal::TooMany { limit: MAX_PARAMS });
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            for (text, limit) in [(name, MAX_NAME), (value, MAX_VALUE)] {
                if text.len() > limit {
                    let name = name.chars().take(MAX_NAME).collect();
                    return Err(ParamsRefusal::TooLong { name, limit });
                }
            }
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter that may stand once; `None` when it is absent or empty.
    ///
    /// # Errors
    /// When it is repeated.
    pub fn one(&self, name: &str) -> Result<Option<&str>, ParamsRefusal> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            None => Ok(first.filter(|value| !value.is_empty())),
            Some(_) => Err(ParamsRefusal::Repeated { name: name.to_owned() }),
        }
    }

    /// Every value of a parameter that may repeat, empty ones left out.
    pub fn many(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name).filter(|value| !value.is_empty())
    }

    /// Refuses any parameter that stands more than once, `resource` excepted.
    ///
    /// # Errors
    /// Naming the first parameter that is repeated.
    pub fn check_repeats(&self) -> Result<(), ParamsRefusal> {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if name != "resource" && self.0.iter().take(index).any(|(earlier, _)| earlier == name) {
                return Err(ParamsRefusal::Repeated { name: name.clone() });
            }
        }
        Ok(())
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for Params {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn decode(text: &str) -> Result<String, ParamsRefusal> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| ParamsRefusal::Encoding)?;
    if decoded.contains('\0') {
        return Err(ParamsRefusal::Encoding);
    }
    Ok(decoded.into_owned())
}

const MAX_PARAMS: usize = 100;

/// Of a name, in bytes as they were sent.
const MAX_NAME: usize = 100;

/// Of a value, in bytes as they were sent: assertions of other issuers carry many claims.
const MAX_VALUE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_counts_as_absent() {
        let params = Params::parse("scope=&state=x").unwrap();
        assert_eq!(params.one("scope"), Ok(None));
        assert_eq!(params.one("state"), Ok(Some("x")));
        assert_eq!(params.one("missing"), Ok(None));
    }

    #[test]
    fn a_repeat_is_refused_even_when_one_is_empty() {
        let params = Params::parse("code=a&code=").unwrap();
        assert!(matches!(params.one("code"), Err(ParamsRefusal::Repeated { .. })));
        assert!(params.check_repeats().is_err());
    }

    #[test]
    fn resource_alone_may_repeat() {
        let params = Params::parse("resource=a&resource=b").unwrap();
        assert_eq!(params.check_repeats(), Ok(()));
        assert_eq!(params.many("resource").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn plus_is_a_space_and_bytes_must_be_utf8() {
        assert_eq!(Params::parse("a=x+y%2B").unwrap().one("a"), Ok(Some("x y+")));
        assert_eq!(Params::parse("a=%ff").unwrap_err(), ParamsRefusal::Encoding);
        assert_eq!(Params::parse("a=%00").unwrap_err(), ParamsRefusal::Encoding);
    }

    #[test]
    fn how_many_and_how_long_is_limited_and_said() {
        let many = (0..101).map(|number| format!("p{number}=x")).collect::<Vec<_>>().join("&");
        assert_eq!(Params::parse(&many).unwrap_err().to_string(), "a request has at most 100 parameters");
        let long = format!("state={}", "x".repeat(MAX_VALUE));
        assert!(Params::parse(&long).is_ok());
        let refusal = Params::parse(&format!("{long}x")).unwrap_err();
        assert_eq!(refusal.to_string(), "the parameter state is longer than 16384 bytes");
        let refusal = Params::parse(&"n".repeat(1000)).unwrap_err().to_string();
        assert!(refusal.len() < 200, "{refusal}");
    }

    #[test]
    fn debug_shows_names_and_never_values() {
        let params = Params::parse("code=canary").unwrap();
        assert_eq!(format!("{params:?}"), r#"["code"]"#);
    }
}
