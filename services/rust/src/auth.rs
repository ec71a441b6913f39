//! Logging in, tokens, and who asks.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use chrono::Utc;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::app::{App, Shared, hex, random_hex};
use crate::error::ApiError;

/// Bounds the tokens kept in memory when they are random.
const MAX_SESSIONS: usize = 100_000;
/// The cookie that stands for a bearer token.
const SESSION_COOKIE: &str = "sid";
/// The lifetime that a login tells where tokens do not expire.
const DEFAULT_EXPIRES_IN_S: u32 = 3600;

/// Issues and checks tokens. By default a token is an HMAC of seed and user, so one that was
/// recorded stays valid; in random mode each process issues its own.
pub struct Sessions {
    key: String,
    /// Without it a token never expires.
    ttl_s: Option<NonZeroU32>,
    /// By token, in random mode only.
    issued: Option<RwLock<HashMap<String, Session>>>,
}

/// Times are in milliseconds since 1970.
struct Session {
    user: String,
    begun: i64,
}

impl Sessions {
    pub fn new(seed: u64, random: bool, ttl_s: Option<NonZeroU32>) -> Self {
        Self {
            key: format!("catalogue-{seed}"),
            ttl_s,
            issued: random.then(RwLock::default),
        }
    }

    /// A token, or none when too many are out.
    fn issue(&self, user: &str, now: i64) -> Option<String> {
        let Some(issued) = &self.issued else {
            return Some(self.signed(&self.claim(user, now)));
        };
        let mut issued = issued.write().unwrap_or_else(PoisonError::into_inner);
        if issued.len() >= MAX_SESSIONS {
            return None;
        }
        let token = random_hex(32);
        let user = user.to_owned();
        issued.insert(token.clone(), Session { user, begun: now });
        Some(token)
    }

    /// What a derived token says: the user and, where tokens expire, the time of issue.
    fn claim(&self, user: &str, now: i64) -> String {
        match self.ttl_s {
            Some(_) => format!("{user}.{now}"),
            None => user.to_owned(),
        }
    }

    fn signed(&self, claim: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes())
            .expect("an HMAC takes a key of any length");
        mac.update(claim.as_bytes());
        format!("{claim}.{}", hex(&mac.finalize().into_bytes()))
    }

    /// Whom the bearer token among the headers belongs to, or else the session cookie.
    pub fn user(&self, headers: &HeaderMap) -> Option<String> {
        let now = now();
        bearer(headers)
            .and_then(|token| self.owner(token, now))
            .or_else(|| self.owner(cookie(headers, SESSION_COOKIE)?, now))
    }

    /// Whom a token was issued to, unless it has expired.
    fn owner(&self, token: &str, now: i64) -> Option<String> {
        if let Some(issued) = &self.issued {
            let issued = issued.read().unwrap_or_else(PoisonError::into_inner);
            let session = issued.get(token)?;
            return (!self.expired(session.begun, now)).then(|| session.user.clone());
        }
        let (claim, _) = token.rsplit_once('.')?;
        if !bool::from(self.signed(claim).as_bytes().ct_eq(token.as_bytes())) {
            return None;
        }
        let Some((user, begun)) = claim.split_once('.') else {
            return self.ttl_s.is_none().then(|| claim.to_owned());
        };
        let valid = self.ttl_s.is_some() && !self.expired(begun.parse().ok()?, now);
        valid.then(|| user.to_owned())
    }

    fn expired(&self, begun: i64, now: i64) -> bool {
        self.ttl_s
            .is_some_and(|ttl| now.saturating_sub(begun) > i64::from(ttl.get()) * 1000)
    }

    pub fn reset(&self) {
        if let Some(issued) = &self.issued {
            issued
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
        }
    }
}

fn now() -> i64 {
    Utc::now().timestamp_millis()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}

/// The value of the first cookie of that name.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The user who is signed in; without a valid token the request is answered 401.
pub struct User(pub String);

impl FromRequestParts<Arc<App>> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let user = app.sessions.user(&parts.headers);
        user.map(User).ok_or_else(ApiError::unauthorized)
    }
}

#[derive(Deserialize)]
pub struct LoginQuery {
    #[serde(default)]
    cookie: String,
}

#[derive(Deserialize)]
pub struct LoginRequest {
    user: String,
    password: String,
}

#[derive(Serialize)]
pub struct LoginResponse {
    user: String,
    token: String,
    expires_in: u32,
}

/// Begins a session, which has no drafts yet. With `cookie=1` the token is set as a cookie too.
pub async fn login(
    State(app): Shared,
    Query(query): Query<LoginQuery>,
    Json(request): Json<LoginRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let LoginRequest { user, password } = request;
    if !is_user_name(&user) || password != format!("pass-{user}") {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "wrong user or password",
        ));
    }
    let token = app
        .sessions
        .issue(&user, now())
        .ok_or_else(|| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too many sessions"))?;
    app.drafts
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .forget(&user);
    let set_cookie = (query.cookie == "1").then(|| {
        let cookie = format!("{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax");
        (header::SET_COOKIE, cookie)
    });
    let expires_in = app
        .sessions
        .ttl_s
        .map_or(DEFAULT_EXPIRES_IN_S, NonZeroU32::get);
    let response = LoginResponse {
        user,
        token,
        expires_in,
    };
    Ok((AppendHeaders(set_cookie), Json(response)))
}

fn is_user_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: i64 = 1_785_751_200_000;

    fn with_token(token: &str) -> HeaderMap {
        let value = format!("Bearer {token}").parse().unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    fn with_cookie(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, text.parse().unwrap())])
    }

    #[test]
    fn derives_tokens_from_seed_and_user() {
        let sessions = Sessions::new(42, false, None);
        let token = sessions.issue("u-1", BEGIN).unwrap();
        assert_eq!(sessions.issue("u-1", BEGIN + 1).unwrap(), token);
        assert_eq!(sessions.user(&with_token(&token)), Some("u-1".to_owned()));
        let other = Sessions::new(43, false, None);
        assert_eq!(other.user(&with_token(&token)), None);
        assert_eq!(sessions.user(&HeaderMap::new()), None);
    }

    #[test]
    fn random_tokens_end_with_a_reset() {
        let sessions = Sessions::new(42, true, None);
        let token = sessions.issue("u-1", BEGIN).unwrap();
        assert_ne!(sessions.issue("u-1", BEGIN).unwrap(), token);
        assert_eq!(sessions.user(&with_token(&token)), Some("u-1".to_owned()));
        sessions.reset();
        assert_eq!(sessions.user(&with_token(&token)), None);
    }

    #[test]
    fn a_cookie_stands_for_a_token() {
        let sessions = Sessions::new(42, true, None);
        let token = sessions.issue("u-1", BEGIN).unwrap();
        for (text, known) in [
            (format!("sid={token}"), true),
            (format!("theme=dark; sid={token}"), true),
            (format!("sid={token}; sid=nope"), true),
            (format!("side={token}"), false),
            ("sid=nope".to_owned(), false),
        ] {
            let user = sessions.user(&with_cookie(&text));
            assert_eq!(user.is_some(), known, "{text}");
        }
    }

    #[test]
    fn tokens_expire() {
        for random in [false, true] {
            let sessions = Sessions::new(42, random, NonZeroU32::new(5));
            let token = sessions.issue("u-1", BEGIN).unwrap();
            for (after, known) in [(0, true), (5000, true), (5001, false)] {
                let user = sessions.owner(&token, BEGIN + after);
                assert_eq!(user.is_some(), known, "random {random}, after {after} ms");
            }
        }
    }

    #[test]
    fn a_token_with_the_other_claim_is_refused() {
        let lasting = Sessions::new(42, false, None);
        let expiring = Sessions::new(42, false, NonZeroU32::new(3600));
        let undated = lasting.issue("u-1", BEGIN).unwrap();
        let dated = expiring.issue("u-1", BEGIN).unwrap();
        assert!(lasting.owner(&undated, BEGIN).is_some());
        assert!(expiring.owner(&dated, BEGIN).is_some());
        assert_eq!(lasting.owner(&dated, BEGIN), None);
        assert_eq!(expiring.owner(&undated, BEGIN), None);
        let later = dated.replace(&BEGIN.to_string(), &(BEGIN + 1).to_string());
        assert_eq!(expiring.owner(&later, BEGIN), None);
    }
}
