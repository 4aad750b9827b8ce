//! A grant's own key pair, and the layers around it.
//!
//! A credential is sealed to the grant's public key (HPKE: X25519, HKDF-SHA-256, ChaCha20-Poly1305; RFC 9180), then under
//! the master key: whoever holds no ticket can add one and never read one. The private key, the vault key, is kept only
//! wrapped: inside under a key derived from the secret of a live ticket and the grant's shred value, outside under the master
//! key. So the database and the key file together open nothing, and a grant that lost its shred value is shut for good.

use std::fmt;

use coatroom_protocol::words::{
    AccessToken, AuthorizationCode, GrantId, ProviderName, RefreshToken, Subject, base64url, from_base64url,
};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::seal::{OpenRefusal, SealingKeys, associated_data, derive_key};
use crate::entropy::{Entropy, NoEntropy, draw};

/// The private key of a grant: opens the credentials that were sealed to the grant.
pub(crate) struct VaultKey(HpkePrivateKey);

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultKey([redacted])")
    }
}

/// A live secret in a client's hands, under which the vault key is wrapped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ticket<'a> {
    /// A code, until it is redeemed.
    Code(&'a AuthorizationCode),
    /// An access token.
    Access(&'a AccessToken),
    /// The current refresh token.
    Refresh(&'a RefreshToken),
}

/// What kind of ticket it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TicketKind {
    /// A code.
    Code,
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

impl TicketKind {
    const fn purpose(self) -> &'static str {
        match self {
            Self::Code => "vault key under code",
            Self::Access => "vault key under access token",
            Self::Refresh => "vault key under refresh token",
        }
    }
}

impl Ticket<'_> {
    const fn kind(self) -> &'static str {
        match self {
            Self::Code(_) => TicketKind::Code.purpose(),
            Self::Access(_) => TicketKind::Access.purpose(),
            Self::Refresh(_) => TicketKind::Refresh.purpose(),
        }
    }

    fn secret(&self) -> &[u8] {
        match self {
            Self::Code(code) => code.expose().as_bytes(),
            Self::Access(token) => token.expose().as_bytes(),
            Self::Refresh(token) => token.expose().as_bytes(),
        }
    }
}

/// What a grant keeps for its vault. A revoked grant keeps nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GrantVault {
    /// The public key that credentials are sealed to, as base64url.
    pub(crate) public_key: String,
    /// The value without which no wrap of this grant opens.
    pub(crate) shred: Shred,
}

/// 256 random bits that enter every wrap of a grant; dropping them shuts the vault.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Shred(String);

impl Shred {
    fn salt(&self) -> Result<[u8; 32], OpenRefusal> {
        from_base64url(&self.0).and_then(|bytes| bytes.try_into().ok()).ok_or(OpenRefusal::Form)
    }
}

impl fmt::Debug for Shred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shred([redacted])")
    }
}

/// What a sealed value is: one of another kind does not open in its place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Contents {
    /// A credential of the user.
    Credential,
    /// What handlers keep with the grant.
    Data,
}

impl Contents {
    /// The HPKE `info`, and the purpose of the outer seal.
    const fn purpose(self) -> &'static str {
        match self {
            Self::Credential => "upstream credential",
            Self::Data => "grant data",
        }
    }
}

/// What a sealed value belongs to: moved elsewhere, it does not open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding<'a> {
    /// What it is.
    pub(crate) contents: Contents,
    /// The grant.
    pub(crate) grant: &'a GrantId,
    /// The user.
    pub(crate) subject: &'a Subject,
    /// The provider that issued the credential; for anything else the one where the user signed in.
    pub(crate) provider: &'a ProviderName,
}

/// What it takes to seal: the master key and random bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealer<'a> {
    /// The outer layer.
    pub(crate) master: &'a SealingKeys,
    /// Nonces and one-time keys.
    pub(crate) entropy: &'a dyn Entropy,
}

impl Binding<'_> {
    fn associated_data(&self) -> Vec<u8> {
        let subject = self.subject.to_string();
        associated_data(
            self.contents.purpose(),
            &[self.grant.as_bytes(), subject.as_bytes(), self.provider.as_str().as_bytes()],
        )
    }
}

impl GrantVault {
    /// Makes the key pair of a new grant.
    ///
    /// # Errors
    /// [`NoEntropy`] when there are no random bytes.
    pub(crate) fn generate(entropy: &dyn Entropy) -> Result<(Self, VaultKey), NoEntropy> {
        let (public, private) = SUITE.generate_key_pair().map_err(|_| NoEntropy)?;
        let shred = Shred(base64url(&draw::<32>(entropy)?));
        Ok((Self { public_key: base64url(&public.0), shred }, VaultKey(private)))
    }

    /// Wraps the vault key under a ticket.
    ///
    /// # Errors
    /// [`NoEntropy`] when there are no random bytes.
    pub(crate) fn wrap(
        &self,
        sealer: Sealer<'_>,
        grant: &GrantId,
        ticket: Ticket<'_>,
        key: &VaultKey,
    ) -> Result<String, NoEntropy> {
        let salt = self.shred.salt().map_err(|_| NoEntropy)?;
        let inner = derive_key(ticket.secret(), &salt, ticket.kind(), &[grant.as_bytes()])?;
        let inner = SealingKeys::new(inner, Vec::new());
        let inside = inner.seal(sealer.entropy, ticket.kind(), &[grant.as_bytes()], key.0.secret_bytes())?;
        Ok(base64url(&sealer.master.seal(sealer.entropy, ticket.kind(), &[grant.as_bytes()], &inside)?))
    }

    /// Opens a wrap with the ticket that it was made under.
    ///
    /// # Errors
    /// See [`OpenRefusal`].
    pub(crate) fn unwrap(
        &self,
        master: &SealingKeys,
        grant: &GrantId,
        ticket: Ticket<'_>,
        wrapped: &str,
    ) -> Result<VaultKey, OpenRefusal> {
        let wrapped = from_base64url(wrapped).ok_or(OpenRefusal::Form)?;
        let inside = master.open(ticket.kind(), &[grant.as_bytes()], &wrapped)?;
        let salt = self.shred.salt()?;
        let inner = derive_key(ticket.secret(), &salt, ticket.kind(), &[grant.as_bytes()]);
        let inner = SealingKeys::new(inner.map_err(|_| OpenRefusal::Form)?, Vec::new());
        let key = inner.open(ticket.kind(), &[grant.as_bytes()], &inside)?;
        Ok(VaultKey(HpkePrivateKey::from(key.to_vec())))
    }

    /// Seals a value to the grant. Needs no ticket.
    ///
    /// # Errors
    /// [`NoEntropy`] when there are no random bytes.
    pub(crate) fn seal(
        &self,
        sealer: Sealer<'_>,
        binding: Binding<'_>,
        plaintext: &[u8],
    ) -> Result<String, NoEntropy> {
        let public = HpkePublicKey(from_base64url(&self.public_key).ok_or(NoEntropy)?);
        let (purpose, aad) = (binding.contents.purpose(), binding.associated_data());
        let (encapsulated, ciphertext) =
            SUITE.seal(purpose.as_bytes(), &aad, plaintext, &public).map_err(|_| NoEntropy)?;
        let inside = [encapsulated.0, ciphertext].concat();
        Ok(base64url(&sealer.master.seal(sealer.entropy, purpose, &[&aad], &inside)?))
    }
}

impl VaultKey {
    /// Opens a value that was sealed to the grant.
    ///
    /// # Errors
    /// See [`OpenRefusal`].
    pub(crate) fn open(
        &self,
        master: &SealingKeys,
        binding: Binding<'_>,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, OpenRefusal> {
        let sealed = from_base64url(sealed).ok_or(OpenRefusal::Form)?;
        let (purpose, aad) = (binding.contents.purpose(), binding.associated_data());
        let inside = master.open(purpose, &[&aad], &sealed)?;
        let (encapsulated, ciphertext) = inside.split_at_checked(ENCAPSULATED).ok_or(OpenRefusal::Form)?;
        let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
        let opened = SUITE.open(&encapsulated, purpose.as_bytes(), &aad, ciphertext, &self.0);
        opened.map(Zeroizing::new).map_err(|_| OpenRefusal::Forged)
    }
}

/// Puts another outer layer around what is wrapped or sealed: nobody needs a ticket for that, and nothing inside is seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange<'a> {
    /// The keys that open the outer layer.
    pub(crate) from: &'a SealingKeys,
    /// The keys that should open it afterwards. The active one seals.
    pub(crate) to: &'a SealingKeys,
    /// Nonces.
    pub(crate) entropy: &'a dyn Entropy,
}

/// What a changed outer layer comes to: `None` when there is nothing to change.
type Exchanged = Result<Option<Result<String, NoEntropy>>, OpenRefusal>;

impl Exchange<'_> {
    /// The wrap of a vault key, under the new keys.
    ///
    /// # Errors
    /// See [`OpenRefusal`].
    pub(crate) fn wrap(self, grant: &GrantId, ticket: TicketKind, wrapped: &str) -> Exchanged {
        self.exchange((ticket.purpose(), &[grant.as_bytes()]), wrapped)
    }

    /// A sealed value, under the new keys.
    ///
    /// # Errors
    /// See [`OpenRefusal`].
    pub(crate) fn sealed(self, binding: Binding<'_>, sealed: &str) -> Exchanged {
        self.exchange((binding.contents.purpose(), &[&binding.associated_data()]), sealed)
    }

    fn exchange(self, bound: (&str, &[&[u8]]), sealed: &str) -> Exchanged {
        let envelope = from_base64url(sealed).ok_or(OpenRefusal::Form)?;
        let again = self.from.seal_again(self.to, self.entropy, bound, &envelope)?;
        Ok(again.map(|sealed| sealed.map(|sealed| base64url(&sealed))))
    }
}

/// The length of an encapsulated X25519 key.
const ENCAPSULATED: usize = 32;

#[cfg(test)]
mod tests {
    use coatroom_protocol::words::KeyId;

    use super::super::seal::SealingKey;
    use super::*;
    use crate::entropy::SystemEntropy;

    fn master(id: u8) -> SealingKeys {
        SealingKeys::new(SealingKey::new(KeyId::from_bytes([id; 4]), [id; 32]), Vec::new())
    }

    struct Sample {
        vault: GrantVault,
        key: VaultKey,
        grant: GrantId,
        subject: Subject,
        provider: ProviderName,
    }

    impl Sample {
        fn new() -> Self {
            let (vault, key) = GrantVault::generate(&SystemEntropy::new()).unwrap();
            let provider = ProviderName::parse("demo").unwrap();
            Self {
                vault,
                key,
                grant: GrantId::from_bytes([1; 16]),
                subject: Subject { provider: provider.clone(), id: "alice".to_owned() },
                provider,
            }
        }

        fn binding(&self) -> Binding<'_> {
            Binding {
                contents: Contents::Credential,
                grant: &self.grant,
                subject: &self.subject,
                provider: &self.provider,
            }
        }

        fn sealed(&self) -> String {
            self.vault
                .seal(
                    Sealer { master: &master(1), entropy: &SystemEntropy::new() },
                    self.binding(),
                    b"upstream",
                )
                .unwrap()
        }

        fn wrapped(&self, ticket: Ticket<'_>) -> String {
            self.vault
                .wrap(
                    Sealer { master: &master(1), entropy: &SystemEntropy::new() },
                    &self.grant,
                    ticket,
                    &self.key,
                )
                .unwrap()
        }
    }

    /// RFC 9180 appendix A.2.1.1, first encryption.
    #[test]
    fn the_hpke_suite_gives_the_answers_of_rfc_9180() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let private =
            HpkePrivateKey::from(hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"));
        let encapsulated =
            EncapsulatedSecret(hex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"));
        let ciphertext = hex(concat!(
            "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db",
            "21993c62ce81883d2dd1b51a28"
        ));
        let info = hex("4f6465206f6e2061204772656369616e2055726e");
        let opened = SUITE.open(&encapsulated, &info, &hex("436f756e742d30"), &ciphertext, &private).unwrap();
        assert_eq!(opened, b"Beauty is truth, truth beauty");
    }

    #[test]
    fn a_credential_opens_through_the_ticket_it_is_wrapped_under() {
        let sample = Sample::new();
        let token = AccessToken::new("coat_at_live");
        let wrapped = sample.wrapped(Ticket::Access(&token));
        let key = sample.vault.unwrap(&master(1), &sample.grant, Ticket::Access(&token), &wrapped).unwrap();
        let opened = key.open(&master(1), sample.binding(), &sample.sealed()).unwrap();
        assert_eq!(opened.as_slice(), b"upstream");
    }

    #[test]
    fn an_outer_layer_is_exchanged_without_a_ticket_and_the_inside_stays() {
        let sample = Sample::new();
        let token = AccessToken::new("coat_at_live");
        let (wrapped, sealed) = (sample.wrapped(Ticket::Access(&token)), sample.sealed());
        let exchange = Exchange { from: &master(1), to: &master(2), entropy: &SystemEntropy::new() };
        let wrapped = exchange.wrap(&sample.grant, TicketKind::Access, &wrapped).unwrap().unwrap().unwrap();
        let sealed = exchange.sealed(sample.binding(), &sealed).unwrap().unwrap().unwrap();
        let key = sample.vault.unwrap(&master(2), &sample.grant, Ticket::Access(&token), &wrapped).unwrap();
        assert_eq!(key.open(&master(2), sample.binding(), &sealed).unwrap().as_slice(), b"upstream");
        assert!(sample.vault.unwrap(&master(1), &sample.grant, Ticket::Access(&token), &wrapped).is_err());
        assert!(exchange.sealed(sample.binding(), &sealed).unwrap().is_none(), "it is new already");
        assert!(
            exchange.wrap(&sample.grant, TicketKind::Code, &sample.wrapped(Ticket::Access(&token))).is_err()
        );
    }

    #[test]
    fn another_ticket_another_kind_and_another_grant_open_nothing() {
        let sample = Sample::new();
        let token = AccessToken::new("coat_at_live");
        let wrapped = sample.wrapped(Ticket::Access(&token));
        let refused = |grant: &GrantId, ticket: Ticket<'_>| {
            sample.vault.unwrap(&master(1), grant, ticket, &wrapped).unwrap_err()
        };
        let other = AccessToken::new("coat_at_other");
        assert_eq!(refused(&sample.grant, Ticket::Access(&other)), OpenRefusal::Forged);
        let same_text = RefreshToken::new("coat_at_live");
        assert_eq!(refused(&sample.grant, Ticket::Refresh(&same_text)), OpenRefusal::Forged);
        assert_eq!(refused(&GrantId::from_bytes([2; 16]), Ticket::Access(&token)), OpenRefusal::Forged);
    }

    /// The database and the key file together, leaked: everything stored and every key of ours, but no ticket.
    #[test]
    fn database_and_key_file_without_a_ticket_open_nothing() {
        let sample = Sample::new();
        let token = AccessToken::new("coat_at_live");
        let wrapped = from_base64url(&sample.wrapped(Ticket::Access(&token))).unwrap();
        let inside = master(1)
            .open(Ticket::Access(&token).kind(), &[sample.grant.as_bytes()], &wrapped)
            .expect("the thief has the master key");
        let private = sample.key.0.secret_bytes();
        assert!(
            !inside.windows(private.len()).any(|window| window == private),
            "the vault key lies open inside"
        );
        let guess = AccessToken::new(AccessToken::new("coat_at_live").hash().to_string());
        let wrapped = base64url(&wrapped);
        assert!(sample.vault.unwrap(&master(1), &sample.grant, Ticket::Access(&guess), &wrapped).is_err());
    }

    #[test]
    fn a_grant_without_its_shred_value_is_shut_for_good() {
        let sample = Sample::new();
        let token = AccessToken::new("coat_at_live");
        let wrapped = sample.wrapped(Ticket::Access(&token));
        let mut shredded = sample.vault.clone();
        shredded.shred = Shred(base64url(&[0; 32]));
        assert!(shredded.unwrap(&master(1), &sample.grant, Ticket::Access(&token), &wrapped).is_err());
    }

    #[test]
    fn a_credential_that_is_moved_or_whose_master_key_is_wrong_does_not_open() {
        let sample = Sample::new();
        let sealed = sample.sealed();
        let bob = Subject { provider: sample.provider.clone(), id: "bob".to_owned() };
        let moved = Binding { subject: &bob, ..sample.binding() };
        assert_eq!(sample.key.open(&master(1), moved, &sealed).unwrap_err(), OpenRefusal::Forged);
        assert_eq!(
            sample.key.open(&master(2), sample.binding(), &sealed).unwrap_err(),
            OpenRefusal::UnknownKey(KeyId::from_bytes([1; 4]))
        );
    }
}
