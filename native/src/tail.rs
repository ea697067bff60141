//! The tail of a line: which of its tokens are known fields, and what those must look like.

use crate::joint::{Flags, Parts};
use crate::reading::Span;
use crate::rows::TAIL_COLUMNS;

/// Takes the fields from the signature version on apart: all but aclRequired, which is the flag.
///
/// `spans` are their places in the text, as many as there are. It is sound where all fit.
pub fn parts(text: &[u8], spans: &[Span]) -> Parts<TAIL_COLUMNS> {
    let mut parts = Parts {
        spans: [Span::default(); TAIL_COLUMNS],
        flags: Flags {
            is_sound: spans.len() <= KNOWN - SIGNATURE_VERSION,
            acl_required: None,
        },
    };
    for (index, span) in (SIGNATURE_VERSION..KNOWN).zip(spans) {
        let value = span.of(text);
        parts.flags.is_sound &= fits(index, value);
        match index {
            ACL_REQUIRED => parts.flags.acl_required = (value != b"-").then(|| acl_required(value)),
            SOURCE_REGION => parts.spans[TAIL_COLUMNS - 1] = *span,
            _ => parts.spans[index - SIGNATURE_VERSION] = *span,
        }
    }
    parts
}

/// How many fields of the tail are known, from the version id on.
pub const KNOWN: usize = 10;

/// Places of the tail's fields that have a shape.
pub const SIGNATURE_VERSION: usize = 2;
pub const TLS_VERSION: usize = 6;
pub const ACCESS_POINT_ARN: usize = 7;
pub const ACL_REQUIRED: usize = 8;
pub const SOURCE_REGION: usize = 9;

/// Drops the hyphen that stood between version id and host id in early 2019.
pub fn drop_stray_hyphen(text: &[u8], tokens: &mut Vec<Span>) {
    if let [_, hyphen, host_id, signature, ..] = tokens[..]
        && hyphen.of(text) == b"-"
        && is_signature_version(signature.of(text))
        && !is_signature_version(host_id.of(text))
    {
        tokens.remove(1);
    }
}

/// How many of the tail's tokens are known fields; the others are extra fields.
pub fn known(text: &[u8], tokens: &[Span]) -> usize {
    for (index, token) in tokens.iter().take(KNOWN).enumerate() {
        if !fits(index, token.of(text)) {
            return if index == SIGNATURE_VERSION {
                index - 1
            } else {
                index
            };
        }
    }
    tokens.len().min(KNOWN)
}

/// Whether a token looks like the field of the tail with this index.
pub fn fits(index: usize, token: &[u8]) -> bool {
    match index {
        SIGNATURE_VERSION => is_signature_version(token),
        TLS_VERSION => is_tls_version(token),
        ACCESS_POINT_ARN => token == b"-" || token.starts_with(b"arn:"),
        ACL_REQUIRED => is_acl_required(token),
        SOURCE_REGION => is_region(token),
        _ => true,
    }
}

fn is_signature_version(token: &[u8]) -> bool {
    match token {
        b"-" => true,
        [b'S', b'i', b'g', b'V', rest @ ..] => {
            !rest.is_empty() && rest.iter().all(u8::is_ascii_alphanumeric)
        }
        _ => false,
    }
}

/// Letters of any case count, and so do the four letters beyond ASCII that are equal to one of
/// A to Z when case is ignored: Python's `re` takes them.
fn is_tls_version(token: &[u8]) -> bool {
    let Ok(token) = str::from_utf8(token) else {
        return false;
    };
    let mut letters = token.chars();
    match (letters.next(), letters.next(), letters.next()) {
        (Some('-'), None, None) => true,
        (Some('T' | 't'), Some('L' | 'l'), Some('S' | 's' | '\u{17f}')) => {
            let rest = letters.as_str();
            !rest.is_empty()
                && rest.chars().all(|letter| {
                    letter.is_ascii_alphanumeric()
                        || matches!(letter, '.' | '\u{130}' | '\u{131}' | '\u{17f}' | '\u{212a}')
                })
        }
        _ => false,
    }
}

/// As for the TLS version, a long s counts; it makes the value false, not true.
fn is_acl_required(token: &[u8]) -> bool {
    token == b"-"
        || [&b"Yes"[..], b"No", "Ye\u{17f}".as_bytes()]
            .iter()
            .any(|word| token.eq_ignore_ascii_case(word))
}

/// The value of a token that fits.
pub fn acl_required(token: &[u8]) -> bool {
    token.eq_ignore_ascii_case(b"Yes")
}

fn is_region(token: &[u8]) -> bool {
    !token.is_empty()
        && token
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}
