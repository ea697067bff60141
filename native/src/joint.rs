//! Fields that stand side by side and come again and again together, such as those that say how a
//! request was signed and sent: looked up as one text, and only a text that is new is taken apart.

use crate::dictionary::{Dictionary, Values};
use crate::reading::Span;

/// So many texts are known at most; then all are forgotten.
const MOST_TEXTS: usize = 1 << 13;
const NEAR: usize = 1 << 11;

/// A text of several fields.
#[derive(Clone, Copy, Debug)]
pub struct Parts<const FIELDS: usize> {
    /// Where each field stands in the text; an absent one is empty.
    pub spans: [Span; FIELDS],
    pub flags: Flags,
}

/// What a text says beside its fields.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    /// Whether the text is what it must be.
    pub is_sound: bool,
    pub acl_required: Option<bool>,
}

/// Texts by their numbers, and the keys that their fields have in the columns.
pub struct Joint<const FIELDS: usize> {
    near: Vec<(u64, i32)>,
    texts: Values,
    parts: Vec<Parts<FIELDS>>,
    flags: Vec<Flags>,
    keys: Vec<[i32; FIELDS]>,
}

impl<const FIELDS: usize> Default for Joint<FIELDS> {
    fn default() -> Self {
        Joint {
            near: vec![(0, -1); NEAR],
            texts: Values::new(false, false),
            parts: Vec::new(),
            flags: Vec::new(),
            keys: Vec::new(),
        }
    }
}

impl<const FIELDS: usize> Joint<FIELDS> {
    /// The number of a text, and what is known of it; `take_apart` is asked where it is new.
    #[inline(always)]
    pub fn find(
        &mut self,
        text: &[u8],
        take_apart: impl FnOnce() -> Parts<FIELDS>,
    ) -> (u32, Flags) {
        let mixed = mixed(text);
        let slot = (mixed >> 40) as usize % NEAR;
        let (like, number) = self.near[slot];
        if like == mixed && number >= 0 && self.texts.value(number) == text {
            return (number as u32, self.flags[number as usize]);
        }
        let number = self.texts.far(text);
        self.near[slot] = (mixed, number);
        if number as usize == self.parts.len() {
            let parts = take_apart();
            self.parts.push(parts);
            self.flags.push(parts.flags);
        }
        (number as u32, self.flags[number as usize])
    }

    /// Appends the fields of the texts with these numbers to their columns.
    #[inline(always)]
    pub fn flush(&mut self, numbers: &[u32], columns: &mut [Dictionary; FIELDS]) {
        for (number, parts) in self.parts.iter().enumerate().skip(self.keys.len()) {
            let text = self.texts.value(number as i32);
            let mut keys = [0; FIELDS];
            for ((key, span), column) in keys.iter_mut().zip(parts.spans).zip(columns.iter_mut()) {
                *key = if parts.flags.is_sound {
                    column.key(span.of(text))
                } else {
                    0
                };
            }
            self.keys.push(keys);
        }
        for (index, column) in columns.iter_mut().enumerate() {
            let keys = &self.keys;
            column.append_keys(numbers.iter().map(|number| keys[*number as usize][index]));
        }
        if self.texts.len() > MOST_TEXTS {
            *self = Joint::default();
        }
    }
}

/// All bytes of a text, mixed into one word: fast, and good enough where each hit is made sure of.
#[inline(always)]
fn mixed(text: &[u8]) -> u64 {
    let (chunks, rest) = text.as_chunks::<16>();
    let mut mixed = [text.len() as u64, 0x9E37_79B9_7F4A_7C15];
    let mut take = |bytes: &[u8; 16]| {
        let word = u128::from_le_bytes(*bytes);
        let product = u128::from(word as u64 ^ mixed[0])
            .wrapping_mul(u128::from((word >> 64) as u64 ^ mixed[1]));
        mixed = [
            product as u64 ^ (product >> 64) as u64,
            mixed[1].rotate_left(13),
        ];
    };
    for chunk in chunks {
        take(chunk);
    }
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    take(text.last_chunk().unwrap_or(&last));
    mixed[0]
}
