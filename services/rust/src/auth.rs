//! Logging in, tokens, and who asks.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::app::{App, Shared, hex, random_hex};
use crate::error::ApiError;

/// Bounds the tokens kept in memory when they are random.
const MAX_SESSIONS: usize = 100_000;

/// Issues and checks tokens. By default a token is an HMAC of seed and user, so one that was
/// recorded stays valid; in random mode each process issues its own.
pub struct Sessions {
    key: String,
    /// Token to user, in random mode only.
    issued: Option<RwLock<HashMap<String, String>>>,
}

impl Sessions {
    pub fn new(seed: u64, random: bool) -> Self {
        Self {
            key: format!("catalogue-{seed}"),
            issued: random.then(RwLock::default),
        }
    }

    /// A token, or none when too many are out.
    fn issue(&self, user: &str) -> Option<String> {
        let Some(issued) = &self.issued else {
            return Some(self.derived(user));
        };
        let mut issued = issued.write().unwrap_or_else(PoisonError::into_inner);
        if issued.len() >= MAX_SESSIONS {
            return None;
        }
        let token = random_hex(32);
        issued.insert(token.clone(), user.to_owned());
        Some(token)
    }

    fn derived(&self, user: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes())
            .expect("an HMAC takes a key of any length");
        mac.update(user.as_bytes());
        format!("{user}.{}", hex(&mac.finalize().into_bytes()))
    }

    /// Whom the bearer token among the headers belongs to.
    pub fn user(&self, headers: &HeaderMap) -> Option<String> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let token = value.strip_prefix("Bearer ")?;
        if let Some(issued) = &self.issued {
            let issued = issued.read().unwrap_or_else(PoisonError::into_inner);
            return issued.get(token).cloned();
        }
        let (user, _) = token.split_once('.')?;
        let valid = self.derived(user).as_bytes().ct_eq(token.as_bytes());
        bool::from(valid).then(|| user.to_owned())
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

/// Begins a session, which has no drafts yet.
pub async fn login(
    State(app): Shared,
    Json(request): Json<LoginRequest>,
) -> Result<Json<LoginResponse>, ApiError> {
    let LoginRequest { user, password } = request;
    if !is_user_name(&user) || password != format!("pass-{user}") {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "wrong user or password",
        ));
    }
    let token = app
        .sessions
        .issue(&user)
        .ok_or_else(|| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too many sessions"))?;
    app.drafts
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .forget(&user);
    Ok(Json(LoginResponse {
        user,
        token,
        expires_in: 3600,
    }))
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

    fn with_token(token: &str) -> HeaderMap {
        let value = format!("Bearer {token}").parse().unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    #[test]
    fn derives_tokens_from_seed_and_user() {
        let sessions = Sessions::new(42, false);
        let token = sessions.issue("u-1").unwrap();
        assert_eq!(sessions.issue("u-1").unwrap(), token);
        assert_eq!(sessions.user(&with_token(&token)), Some("u-1".to_owned()));
        assert_eq!(Sessions::new(43, false).user(&with_token(&token)), None);
        assert_eq!(sessions.user(&HeaderMap::new()), None);
    }

    #[test]
    fn random_tokens_end_with_a_reset() {
        let sessions = Sessions::new(42, true);
        let token = sessions.issue("u-1").unwrap();
        assert_ne!(sessions.issue("u-1").unwrap(), token);
        assert_eq!(sessions.user(&with_token(&token)), Some("u-1".to_owned()));
        sessions.reset();
        assert_eq!(sessions.user(&with_token(&token)), None);
    }
}
