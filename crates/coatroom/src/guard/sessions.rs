//! Binds the sessions of the legacy transports to the user and client that began them.
//!
//! MCP 2025-11-25, Transports, "Session Management" and Security Best Practices, "Session Hijacking". A session id is never
//! authentication: the token is checked on every request, and the id must belong to the same subject and grant, so that a
//! refreshed token keeps its session and another user's is as good as unknown.
//!
//! The id that a client sees is 128 random bits and a MAC over them, the owner and the upstream's own id, which follows in
//! plain. So an id needs no memory, is good at every replica that shares the keys, and with fresh keys a restart ends all
//! sessions: clients get 404 and begin anew. The id also says whether the client declared elicitation in URL mode when it
//! began; for that alone a session may begin at a server that has none. What is remembered is only for limits, and bounded: when each session of a user
//! was last used here, and which have ended. A replica that does not remember a genuine id takes it in.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coatroom_protocol::words::{KeyId, MacKey, MacKeys, Resource, base64url, from_base64url, same_bytes};

use super::caller::Caller;
use crate::clock::Clock;
use crate::entropy::{Entropy, NoEntropy, draw};
use crate::vault::LiveKeys;

/// The sessions of the legacy transports.
pub struct Sessions {
    keys: SessionKeys,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    limits: SessionLimits,
    users: Mutex<HashMap<String, Vec<Entry>>>,
}

/// What makes the ids.
enum SessionKeys {
    Fixed(MacKeys),
    Live(Arc<LiveKeys>),
}

impl SessionKeys {
    fn active(&self) -> MacKey {
        match self {
            Self::Fixed(keys) => keys.active().clone(),
            Self::Live(keys) => keys.current().tickets.active().clone(),
        }
    }

    fn find(&self, id: KeyId) -> Option<MacKey> {
        match self {
            Self::Fixed(keys) => keys.find(id).cloned(),
            Self::Live(keys) => keys.current().tickets.find(id).cloned(),
        }
    }
}

/// How long and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionLimits {
    /// A session that nobody used for this long has ended. Default: 24 h.
    pub idle: Duration,
    /// A user has at most this many; a new one ends the longest unused. Default: 64.
    pub per_user: usize,
    /// At most this many users are remembered. Default: 10 000.
    pub users: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { idle: Duration::from_hours(24), per_user: 64, users: 10_000 }
    }
}

/// Whose session it is.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to know of an owner")]
pub struct SessionOwner<'a> {
    /// The resource that the session is at.
    pub resource: &'a Resource,
    /// The caller; `None` where anonymous calls are allowed.
    pub caller: Option<&'a Caller>,
}

/// A session that belongs to its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session<'id> {
    /// The upstream server's id; `None` where that server has no sessions.
    pub upstream: Option<&'id str>,
    /// Whether the client declared elicitation in URL mode when the session began.
    pub url_mode: bool,
}

/// Why a session cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The upstream server chose an id that is not visible ASCII, or is very long.
    #[error("the upstream server's session id is not short visible ASCII")]
    BadUpstreamId,
    /// No random bytes.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

struct Entry {
    nonce: [u8; NONCE],
    last_used: Duration,
    ended: bool,
}

impl Sessions {
    /// Sessions whose ids are made with `keys`.
    #[must_use]
    pub fn new(
        keys: MacKeys,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        limits: SessionLimits,
    ) -> Self {
        Self { keys: SessionKeys::Fixed(keys), clock, entropy, limits, users: Mutex::default() }
    }

    /// Sessions whose ids are made with the keys for tickets, as they are at the moment.
    pub(crate) fn following(
        keys: Arc<LiveKeys>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        limits: SessionLimits,
    ) -> Self {
        Self { keys: SessionKeys::Live(keys), clock, entropy, limits, users: Mutex::default() }
    }

    /// Begins a session for the id that the upstream server chose, and gives it the id that the client sees.
    ///
    /// # Errors
    /// [`SessionError`]; the answer that carried the id must not reach the client.
    pub fn begin(&self, owner: &SessionOwner<'_>, upstream: &str) -> Result<String, SessionError> {
        self.begin_as(owner, Session { upstream: Some(upstream), url_mode: false })
    }

    /// Begins a session with everything that its id says.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) fn begin_as(
        &self,
        owner: &SessionOwner<'_>,
        session: Session<'_>,
    ) -> Result<String, SessionError> {
        if !session.is_sound() {
            return Err(SessionError::BadUpstreamId);
        }
        let nonce = draw::<NONCE>(self.entropy.as_ref())?;
        let key = self.keys.active();
        let tag = owner.tag(&key, &nonce, session);
        let mark: &[u8] = if session.url_mode { &[URL_MODE] } else { &[] };
        let head = base64url(&[&key.id().as_bytes()[..], &nonce, &tag, mark].concat());
        self.touch(owner, nonce);
        Ok(format!("{head}.{}", session.upstream.unwrap_or_default()))
    }

    /// The session with this id; `None` when the id is unknown, has ended, or is another caller's.
    #[must_use]
    pub fn find<'id>(&self, owner: &SessionOwner<'_>, id: &'id str) -> Option<Session<'id>> {
        let (nonce, session) = self.open(owner, id)?;
        self.touch(owner, nonce).then_some(session)
    }

    /// Ends a session that its owner gave up.
    pub fn end(&self, owner: &SessionOwner<'_>, id: &str) {
        let Some((nonce, _)) = self.open(owner, id) else { return };
        let Some(user) = owner.user() else { return };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = users.get_mut(&user).into_iter().flatten();
        entries.filter(|entry| entry.nonce == nonce).for_each(|entry| entry.ended = true);
    }

    /// What the client sees of an event id of a session: the id, and before it a MAC that binds it to the session. So events are
    /// sent again to the owner of their own session alone, also by a server that keeps the events of all in one place.
    #[must_use]
    pub fn bind_event(&self, session: &str, event: &str) -> String {
        format!("{}.{event}", event_tag(&self.keys.active(), session, event))
    }

    /// The upstream server's id of an event that `session` was sent; `None` when it was not.
    #[must_use]
    pub fn find_event<'id>(&self, session: &str, id: &'id str) -> Option<&'id str> {
        let (tag, event) = id.split_once('.')?;
        let key = key_of(session).and_then(|key| self.keys.find(key));
        let keys = std::iter::once(self.keys.active()).chain(key);
        let mut tags = keys.map(|key| event_tag(&key, session, event));
        tags.any(|genuine| same_bytes(genuine.as_bytes(), tag.as_bytes())).then_some(event)
    }

    /// Checks that an id is genuine and the owner's.
    fn open<'id>(&self, owner: &SessionOwner<'_>, id: &'id str) -> Option<([u8; NONCE], Session<'id>)> {
        let (head, upstream) = id.split_once('.')?;
        let head = from_base64url(head)?;
        let (key, rest) = head.split_first_chunk::<4>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
        let (tag, mark) = rest.split_first_chunk::<32>()?;
        let url_mode = match mark {
            [] => false,
            [URL_MODE] => true,
            _ => return None,
        };
        let session = Session { upstream: Some(upstream).filter(|id| !id.is_empty()), url_mode };
        let key = self.keys.find(KeyId::from_bytes(*key)).filter(|_| session.is_sound())?;
        same_bytes(&owner.tag(&key, nonce, session), tag).then_some((*nonce, session))
    }

    /// Notes that a session is used now; false when it has ended.
    fn touch(&self, owner: &SessionOwner<'_>, nonce: [u8; NONCE]) -> bool {
        // Anonymous callers are not told apart, so one must not be able to end another's session.
        let Some(user) = owner.user() else { return true };
        let now = self.clock.elapsed();
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= self.limits.users && !users.contains_key(&user) {
            self.make_room(&mut users, now);
        }
        let entries = users.entry(user).or_default();
        let live = entries.iter_mut().find(|entry| entry.nonce == nonce);
        if let Some(entry) = live {
            entry.ended |= now.saturating_sub(entry.last_used) >= self.limits.idle;
            entry.last_used = now;
            return !entry.ended;
        }
        entries.push(Entry { nonce, last_used: now, ended: false });
        self.keep_limits(entries);
        true
    }

    /// Ends the longest unused session of a user who has too many, and forgets the oldest that ended.
    fn keep_limits(&self, entries: &mut Vec<Entry>) {
        if entries.iter().filter(|entry| !entry.ended).count() > self.limits.per_user {
            let live = entries.iter_mut().filter(|entry| !entry.ended);
            if let Some(entry) = live.min_by_key(|entry| entry.last_used) {
                entry.ended = true;
            }
        }
        if entries.iter().filter(|entry| entry.ended).count() > self.limits.per_user
            && let Some(oldest) = entries.iter().position(|entry| entry.ended)
        {
            entries.remove(oldest);
        }
    }

    fn make_room(&self, users: &mut HashMap<String, Vec<Entry>>, now: Duration) {
        let idle = |entry: &Entry| entry.ended || now.saturating_sub(entry.last_used) >= self.limits.idle;
        users.retain(|_, entries| !entries.iter().all(idle));
        if users.len() >= self.limits.users {
            let last_used = |entries: &[Entry]| entries.iter().map(|entry| entry.last_used).max();
            let longest_unused = users.iter().min_by_key(|(_, entries)| last_used(entries));
            if let Some(user) = longest_unused.map(|(user, _)| user.clone()) {
                users.remove(&user);
            }
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl SessionOwner<'_> {
    fn user(&self) -> Option<String> {
        self.caller.map(|caller| caller.user().subject.to_string())
    }

    /// The MAC that binds an id to its owner. Its framing keeps the parts apart.
    fn tag(&self, key: &MacKey, nonce: &[u8], session: Session<'_>) -> [u8; 32] {
        let label = if session.url_mode { URL_MODE_LABEL } else { LABEL };
        let (resource, upstream) = (self.resource.as_str().as_bytes(), session.upstream.unwrap_or_default());
        let Some(caller) = self.caller else {
            return key.tag(label, &[nonce, resource, upstream.as_bytes()]);
        };
        let (subject, grant) = (&caller.user().subject, caller.grant());
        let (provider, id) = (subject.provider.as_str().as_bytes(), subject.id.as_bytes());
        key.tag(label, &[nonce, resource, provider, id, grant.as_bytes(), upstream.as_bytes()])
    }
}

impl Session<'_> {
    /// An id of the upstream server that fits into ours, or none of it and something else to say.
    fn is_sound(&self) -> bool {
        self.upstream.map_or(self.url_mode, is_visible)
    }
}

/// The key that a session's id was made with.
fn key_of(session: &str) -> Option<KeyId> {
    let (head, _) = session.split_once('.')?;
    from_base64url(head)?.first_chunk::<4>().map(|key| KeyId::from_bytes(*key))
}

fn event_tag(key: &MacKey, session: &str, event: &str) -> String {
    let tag = key.tag(EVENT_LABEL, &[session.as_bytes(), event.as_bytes()]);
    base64url(tag.get(..EVENT_TAG).unwrap_or(&tag))
}

/// MCP asks for visible ASCII, 0x21 to 0x7E.
fn is_visible(id: &str) -> bool {
    (1..=LONGEST_UPSTREAM_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

const LABEL: &str = "mcp session";
const URL_MODE_LABEL: &str = "mcp session in url mode";
const URL_MODE: u8 = 1;
const EVENT_LABEL: &str = "mcp event";
const EVENT_TAG: usize = 16;
const NONCE: usize = 16;
const LONGEST_UPSTREAM_ID: usize = 1024;

#[cfg(test)]
mod tests {
    use coatroom_protocol::words::{ClientId, GrantId, ProviderName, Scopes, Subject, Timestamp};

    use super::*;
    use crate::clock::ManualClock;
    use crate::entropy::SeededEntropy;
    use crate::guard::{CallerClient, CallerParts, NoCredentials, NoData};
    use crate::user::User;

    fn caller(id: &str) -> Caller {
        let subject = Subject { provider: ProviderName::parse("github").unwrap(), id: id.to_owned() };
        Caller::new(CallerParts {
            user: User::new(subject),
            client: CallerClient { id: ClientId::new("client"), name: None },
            grant: GrantId::from_bytes([1; 16]),
            resource: resource(),
            scopes: Scopes::none(),
            sender_constrained: false,
            expires_at: Timestamp::from_unix(u64::MAX),
            credentials: Arc::new(NoCredentials),
            data: Arc::new(NoData),
        })
    }

    fn resource() -> Resource {
        Resource::parse("https://mcp.example.com/github").unwrap()
    }

    fn sessions(secret: u8, limits: SessionLimits) -> Sessions {
        let keys = MacKeys::new(MacKey::new(KeyId::from_bytes([0; 4]), [secret; 32]), Vec::new());
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(0)));
        Sessions::new(keys, clock, Arc::new(SeededEntropy::new(1)), limits)
    }

    // SES-08
    #[test]
    fn memory_is_bounded_by_users_and_by_sessions_of_each() {
        let sessions = sessions(1, SessionLimits { per_user: 2, users: 3, ..SessionLimits::default() });
        for user in 0..50 {
            let (resource, caller) = (resource(), caller(&user.to_string()));
            let owner = SessionOwner { resource: &resource, caller: Some(&caller) };
            for _ in 0..10 {
                sessions.begin(&owner, "upstream").unwrap();
            }
        }
        let users = sessions.users.lock().unwrap();
        assert!(users.len() <= 3);
        assert!(users.values().all(|entries| entries.len() <= 4));
    }

    #[test]
    fn replicas_with_the_same_keys_share_sessions_and_fresh_keys_end_them() {
        let (resource, caller) = (resource(), caller("alice"));
        let owner = SessionOwner { resource: &resource, caller: Some(&caller) };
        let id = sessions(1, SessionLimits::default()).begin(&owner, "upstream.1").unwrap();
        let found = Session { upstream: Some("upstream.1"), url_mode: false };
        assert_eq!(sessions(1, SessionLimits::default()).find(&owner, &id), Some(found));
        assert_eq!(sessions(2, SessionLimits::default()).find(&owner, &id), None);
    }

    // EL-01, EL-02
    #[test]
    fn an_id_says_whether_its_client_declared_url_mode_and_nobody_can_make_it_say_so() {
        let (resource, caller) = (resource(), caller("alice"));
        let owner = SessionOwner { resource: &resource, caller: Some(&caller) };
        let sessions = sessions(1, SessionLimits::default());
        for upstream in [Some("upstream"), None] {
            let session = Session { upstream, url_mode: true };
            let id = sessions.begin_as(&owner, session).unwrap();
            assert!(id.bytes().all(|b| b.is_ascii_graphic()));
            assert_eq!(sessions.find(&owner, &id), Some(session));
        }
        assert!(sessions.begin_as(&owner, Session { upstream: None, url_mode: false }).is_err());
        let plain = sessions.begin(&owner, "upstream").unwrap();
        let (head, upstream) = plain.split_once('.').unwrap();
        let head = from_base64url(head).unwrap();
        for mark in [&[1][..], &[0], &[2], &[1, 1]] {
            let forged = format!("{}.{upstream}", base64url(&[&head[..], mark].concat()));
            assert_eq!(sessions.find(&owner, &forged), None);
        }
        assert_eq!(sessions.find(&owner, &format!("{}.", base64url(&head))), None);
    }

    // SES-03
    #[test]
    fn an_anonymous_session_is_at_its_resource_alone_and_no_users() {
        let (here, caller) = (resource(), caller("alice"));
        let elsewhere = Resource::parse("https://mcp.example.com/gitlab").unwrap();
        let sessions = sessions(1, SessionLimits::default());
        let anonymous = SessionOwner { resource: &here, caller: None };
        let id = sessions.begin(&anonymous, "upstream").unwrap();
        assert_eq!(sessions.find(&anonymous, &id).and_then(|session| session.upstream), Some("upstream"));
        assert_eq!(sessions.find(&SessionOwner { resource: &elsewhere, caller: None }, &id), None);
        assert_eq!(sessions.find(&SessionOwner { resource: &here, caller: Some(&caller) }, &id), None);
    }
}
