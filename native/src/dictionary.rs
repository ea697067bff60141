//! A column whose values come again and again: each value is kept once and told by its key.
//!
//! A value is looked up by some of its bytes in a small table that forgets, and only
//! then, all its bytes hashed, in the table of all values. So the usual lookup costs a few
//! nanoseconds, and no choice of values makes it slow.

use crate::bits::Validity;
use crate::numbers::word;
use crate::reading::Span;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::Arc;

/// The key of null.
const NULL: i32 = -1;
const FEWEST_NEAR: usize = 64;
const MOST_NEAR: usize = 1 << 14;

/// A value met lately: its length, first 16 bytes (zero behind its end) and, where it is longer
/// than that, its last 8.
#[derive(Clone, Copy)]
struct Near {
    first: u128,
    last: u64,
    length: u32,
    key: i32,
}

const NOBODY: Near = Near {
    first: 0,
    last: 0,
    length: u32::MAX,
    key: NULL,
};

pub struct Dictionary {
    values: Values,
    keys: Vec<i32>,
    validity: Validity,
}

impl Dictionary {
    /// `empty_is_null`: values are never empty, so that one which is stands for an absent field.
    pub fn new(empty_is_null: bool, rows: usize) -> Self {
        Dictionary {
            values: Values::new(true, empty_is_null),
            keys: Vec::with_capacity(rows),
            validity: Validity::default(),
        }
    }

    /// Appends the values, at most 64, that stand at `spans` in `source`.
    #[inline(always)]
    pub fn append(&mut self, source: &[u8], spans: &[Span]) {
        let mut nulls = 0;
        for (row, span) in spans.iter().enumerate() {
            let key = self.values.key(source, *span);
            nulls |= u64::from(key < 0) << row;
            self.keys.push(key.max(0));
        }
        self.validity.append(nulls, spans.len());
    }

    /// The key of a value; negative for null.
    pub fn key(&mut self, value: &[u8]) -> i32 {
        self.values.far(value)
    }

    /// Appends the values, at most 64, that have these keys.
    #[inline(always)]
    pub fn append_keys(&mut self, keys: impl ExactSizeIterator<Item = i32>) {
        let rows = keys.len();
        let mut nulls = 0;
        for (row, key) in keys.enumerate() {
            nulls |= u64::from(key < 0) << row;
            self.keys.push(key.max(0));
        }
        self.validity.append(nulls, rows);
    }

    pub fn finish(self) -> Result<ArrayRef, ArrowError> {
        let values = StringArray::try_new(
            OffsetBuffer::new(ScalarBuffer::from(self.values.offsets)),
            Buffer::from_vec(self.values.bytes),
            None,
        )?;
        let keys = Int32Array::try_new(ScalarBuffer::from(self.keys), self.validity.finish())?;
        let array = DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values))?;
        Ok(Arc::new(array))
    }
}

/// Values, each once, and their keys: how many there were before.
pub struct Values {
    near: Vec<Near>,
    all: HashTable<i32>,
    hasher: RandomState,
    bytes: Vec<u8>,
    offsets: Vec<i32>,
    hyphen_is_null: bool,
    empty_is_null: bool,
}

impl Values {
    pub fn new(hyphen_is_null: bool, empty_is_null: bool) -> Self {
        Values {
            near: vec![NOBODY; FEWEST_NEAR],
            all: HashTable::new(),
            hasher: RandomState::default(),
            bytes: Vec::new(),
            offsets: vec![0],
            hyphen_is_null,
            empty_is_null,
        }
    }

    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The value of a key that was given.
    pub fn value(&self, key: i32) -> &[u8] {
        let at = |index: usize| self.offsets[index] as usize;
        &self.bytes[at(key as usize)..at(key as usize + 1)]
    }

    #[inline(always)]
    fn key(&mut self, source: &[u8], span: Span) -> i32 {
        let (start, length) = (span.start as usize, (span.end - span.start) as usize);
        let Some((first, last)) = ends(source, start, length) else {
            return self.far(span.of(source));
        };
        let (low, high) = (first as u64, (first >> 64) as u64);
        // User agents differ in their middle, and browsers' just before their end.
        let between = if length > 24 {
            let middle = word(source, start + length / 2).unwrap_or(0);
            middle.rotate_left(11) ^ word(source, start + length - 24).unwrap_or(0)
        } else {
            length as u64
        };
        let mixed = (low ^ high.rotate_left(23) ^ last.rotate_left(43) ^ between)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The highest bits depend on all bits.
        let slot = (mixed >> 48) as usize & (self.near.len() - 1);
        let near = self.near[slot];
        let different = (near.first ^ first) as u64
            | ((near.first ^ first) >> 64) as u64
            | (near.last ^ last)
            | (u64::from(near.length) ^ length as u64);
        if different == 0 && (length <= 24 || self.is_value(near.key, span.of(source))) {
            return near.key;
        }
        let found = Near {
            first,
            last,
            length: length as u32,
            key: NULL,
        };
        self.miss(slot, found, span.of(source))
    }

    #[inline(never)]
    fn miss(&mut self, slot: usize, found: Near, value: &[u8]) -> i32 {
        let key = self.far(value);
        if self.all.len() > self.near.len() / 2 && self.near.len() < MOST_NEAR {
            self.near = vec![NOBODY; self.near.len() * 4];
        } else {
            self.near[slot] = Near { key, ..found };
        }
        key
    }

    #[inline(always)]
    fn is_value(&self, key: i32, value: &[u8]) -> bool {
        let start = self.offsets[key as usize] as usize;
        self.bytes.get(start..start + value.len()) == Some(value)
    }

    /// The key of a value by all of its bytes; a new value gets a new key.
    pub fn far(&mut self, value: &[u8]) -> i32 {
        if self.hyphen_is_null && value == b"-" || self.empty_is_null && value.is_empty() {
            return NULL;
        }
        let (bytes, offsets, hasher) = (&self.bytes, &self.offsets, &self.hasher);
        let of =
            |key: i32| &bytes[offsets[key as usize] as usize..offsets[key as usize + 1] as usize];
        let hash = hasher.hash_one(value);
        if let Some(key) = self.all.find(hash, |key| of(*key) == value) {
            return *key;
        }
        let key = offsets.len() as i32 - 1;
        self.all
            .insert_unique(hash, key, |key| hasher.hash_one(of(*key)));
        self.bytes.extend_from_slice(value);
        self.offsets.push(self.bytes.len() as i32);
        key
    }
}

/// A value's first 16 bytes, zero behind its end, and its last 8 where it is longer than that;
/// None too near to the ends of the source to read so much.
#[inline(always)]
fn ends(source: &[u8], start: usize, length: usize) -> Option<(u128, u64)> {
    let first = u128::from_le_bytes(*source.get(start..)?.first_chunk()?);
    if length > 16 {
        return Some((first, word(source, start + length - 8)?));
    }
    let (low, high) = MASKS[length];
    Some((first & (u128::from(high) << 64 | u128::from(low)), 0))
}

/// By how many bytes of 16 count: the bits of the first 8 and of the last 8.
const MASKS: [(u64, u64); 17] = {
    let mut masks = [(0, 0); 17];
    let mut length = 1;
    while length <= 16 {
        masks[length] = if length <= 8 {
            (u64::MAX >> (64 - 8 * length), 0)
        } else {
            (u64::MAX, u64::MAX >> (128 - 8 * length))
        };
        length += 1;
    }
    masks
};
