//! The fast way to read a line: for lines of the usual shape, which can be read in one way only.
//!
//! Such a line has single blanks between its tokens and either exactly six quotes, which open and
//! close the tokens of Request-URI, Referer and User-Agent, or none and hyphens there. A block
//! (status to counters) must follow the quote that ends the request line. It can't follow another
//! one: behind the Referer stands a quote, behind the last quote the tail, and Referer and
//! User-Agent don't begin with a blank, as they would have to. Nor can these two be divided
//! elsewhere. So there is one reading. All other lines, and all that are no records, are left to
//! `reading`.

use crate::batch::Batch;
use crate::joint::{Flags, Joint, Parts};
use crate::marks::Marks;
use crate::numbers::{self, first, text, word};
use crate::reading::{self, Span};
use crate::rows::{HEAD_COLUMNS, Rows, TAIL_COLUMNS};
use crate::{tail, time};

/// Tokens of a line by their places, where the requester is one token; the time is two.
const TIME: usize = 2;
const REMOTE_IP: usize = 4;
const REQUESTER: usize = 5;
const OPERATION: usize = 7;
const URI: usize = 9;
const STATUS: usize = 10;
const ERROR: usize = 11;
const COUNTS: usize = 12;
const REFERER: usize = 16;
const USER_AGENT: usize = 17;
const TAIL: usize = 18;
const MOST: usize = TAIL + tail::KNOWN;

/// The day that was seen last, which is likely to come again.
#[derive(Default)]
pub struct Recent {
    date: [u8; 12],
    date_s: i64,
}

/// The line's tokens, as if the requester were one.
struct Tokens<'a> {
    data: &'a [u8],
    marks: &'a Marks,
    ends: &'a [u32; MOST],
    count: usize,
}

impl Tokens<'_> {
    #[inline(always)]
    fn span(&self, index: usize) -> Span {
        let start = if index == 0 {
            self.marks.start as u32
        } else {
            self.ends[index - 1] + 1
        };
        Span {
            start,
            end: self.ends[index],
        }
    }

    /// The token, or an empty span where the line has fewer.
    #[inline(always)]
    fn present(&self, index: usize) -> Span {
        if index < self.count {
            self.span(index)
        } else {
            Span::default()
        }
    }

    /// The token's text without its quotes; None where it isn't in quotes or begins with a blank.
    #[inline(always)]
    fn unquoted(&self, index: usize) -> Option<Span> {
        match self.span(index).of(self.data) {
            [b'"', middle @ .., b'"'] if middle.first() != Some(&b' ') => {
                let Span { start, end } = self.span(index);
                Some(Span {
                    start: start + 1,
                    end: end - 1,
                })
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn is_hyphen(&self, index: usize) -> bool {
        self.span(index).of(self.data) == b"-"
    }
}

/// Reads the marked line into the batch's next row, which is not taken where this returns None.
#[inline(always)]
pub fn read(data: &[u8], marks: &Marks, rows: &mut Rows, recent: &mut Recent) -> Option<()> {
    let row = rows.batch.rows;
    let mut shift = 0;
    if !marks.is_tidy || marks.tokens < TAIL || row >= crate::batch::MOST_ROWS {
        return None;
    }
    while !is_operation(data, marks, OPERATION + shift) {
        shift += 1;
        if TAIL + shift > marks.tokens {
            return None;
        }
    }
    let tokens = Tokens {
        data,
        marks,
        ends: marks.ends.get(shift..)?.first_chunk()?,
        count: marks.tokens - shift,
    };
    if tokens.count > MOST {
        return None;
    }
    let seconds = seconds(&tokens, marks, recent)?;
    middle(&tokens, marks, &mut rows.batch, row)?;
    let (tail, flags) = tail(&tokens, &mut rows.tails);
    if !flags.is_sound {
        return None;
    }
    let head = head(&tokens, marks, &mut rows.heads);
    let batch = &mut rows.batch;
    batch.heads[row] = head;
    batch.tails[row] = tail;
    batch.acl_nulls |= u64::from(flags.acl_required.is_none()) << row;
    batch.acl_required |= u64::from(flags.acl_required == Some(true)) << row;
    let spans = &mut batch.spans;
    let first = |index: usize| marks.token_span(index);
    spans[3][row] = first(REMOTE_IP);
    spans[4][row] = Span {
        start: first(REQUESTER).start,
        end: tokens.span(REQUESTER).end,
    };
    spans[5][row] = tokens.span(REQUESTER + 1);
    spans[6][row] = tokens.span(OPERATION);
    spans[7][row] = tokens.span(OPERATION + 1);
    spans[17][row] = tokens.present(TAIL);
    spans[18][row] = tokens.present(TAIL + 1);
    batch.times_us[row] = seconds * 1_000_000;
    // The time is two tokens and one field.
    batch.field_counts[row] = (tokens.count - 1) as i16;
    batch.rows += 1;
    Some(())
}

#[inline(always)]
fn is_operation(data: &[u8], marks: &Marks, index: usize) -> bool {
    let span = marks.token_span(index);
    let (start, length) = (span.start as usize, span.end - span.start);
    match word(data, start) {
        Some(word) if first(word, 5) == text(b"REST.") => length > 5,
        _ => data
            .get(start..span.end as usize)
            .is_some_and(reading::is_operation),
    }
}

/// The time as seconds since 1970 UTC.
#[inline(always)]
fn seconds(tokens: &Tokens, marks: &Marks, recent: &mut Recent) -> Option<i64> {
    let start = marks.token_span(TIME).start as usize;
    if marks.token_span(TIME + 1).end as usize != start + 28 {
        return None;
    }
    let text: &[u8; 28] = tokens.data.get(start..)?.first_chunk()?;
    let date: &[u8; 12] = text.first_chunk()?;
    if *date != recent.date {
        recent.date_s = time::instant_of_date(date)?;
        recent.date = *date;
    }
    if &text[21..] != b" +0000]" {
        return None;
    }
    Some(recent.date_s + time::of_day(text[12..21].try_into().ok()?)?)
}

/// Request-URI, status, error code, counters, Referer and User-Agent.
#[inline(always)]
fn middle(tokens: &Tokens, marks: &Marks, batch: &mut Batch, row: usize) -> Option<()> {
    let data = tokens.data;
    let spans = &mut batch.spans;
    if marks.quotes == 6 {
        let uri = tokens.span(URI);
        let [b'"', .., b'"'] = uri.of(data) else {
            return None;
        };
        spans[8][row] = Span {
            start: uri.start + 1,
            end: uri.end - 1,
        };
        spans[15][row] = tokens.unquoted(REFERER)?;
        spans[16][row] = tokens.unquoted(USER_AGENT)?;
    } else {
        let hyphens = [URI, REFERER, USER_AGENT].map(|index| tokens.is_hyphen(index));
        if marks.quotes != 0 || hyphens != [true; 3] {
            return None;
        }
        spans[8][row] = tokens.span(URI);
        spans[15][row] = tokens.span(REFERER);
        spans[16][row] = tokens.span(USER_AGENT);
    }
    let status = tokens.span(STATUS);
    let status = numbers::status(data, status.start as usize, status.end as usize)?;
    let error = tokens.span(ERROR);
    match error.of(data) {
        b"-" => (),
        [letter, rest @ ..] if letter.is_ascii_alphabetic() => {
            if !rest.iter().all(|byte| reading::is_word(*byte)) {
                return None;
            }
        }
        _ => return None,
    }
    let mut counts = [None; 4];
    for (index, count) in counts.iter_mut().enumerate() {
        let span = tokens.span(COUNTS + index);
        *count = numbers::count(data, span.start as usize, span.end as usize)?;
    }
    spans[10][row] = error;
    batch.statuses[row] = status.unwrap_or(0);
    batch.status_nulls |= u64::from(status.is_none()) << row;
    for (index, count) in counts.into_iter().enumerate() {
        batch.counts[index][row] = count.unwrap_or(0);
        batch.count_nulls[index] |= u64::from(count.is_none()) << row;
    }
    Some(())
}

/// Bucket owner and bucket, as one text.
#[inline(always)]
fn head(tokens: &Tokens, marks: &Marks, heads: &mut Joint<HEAD_COLUMNS>) -> u32 {
    let (owner, bucket) = (marks.token_span(0), marks.token_span(1));
    let text = Span {
        start: owner.start,
        end: bucket.end,
    };
    let take_apart = || Parts {
        spans: [owner, bucket].map(|span| span.within(text)),
        flags: Flags {
            is_sound: true,
            acl_required: None,
        },
    };
    heads.find(text.of(tokens.data), take_apart).0
}

/// The fields from the signature version on, as one text; an empty one where there are none.
#[inline(always)]
fn tail(tokens: &Tokens, tails: &mut Joint<TAIL_COLUMNS>) -> (u32, Flags) {
    const FIRST: usize = TAIL + tail::SIGNATURE_VERSION;
    let text = if FIRST < tokens.count {
        Span {
            start: tokens.span(FIRST).start,
            end: tokens.span(tokens.count - 1).end,
        }
    } else {
        Span::default()
    };
    tails.find(text.of(tokens.data), || {
        let spans: Vec<Span> = (FIRST..tokens.count.max(FIRST))
            .map(|index| tokens.span(index).within(text))
            .collect();
        tail::parts(text.of(tokens.data), &spans)
    })
}
