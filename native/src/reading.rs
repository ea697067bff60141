//! One line, read by the whole rule: a port of `accesslog/line.py`'s `decode`, whose docstring
//! says what is right. It is linear in the line's length, whatever the line holds, and is given
//! the lines that `scan` can't prove to have one reading only.

use crate::tail;
use crate::time;

/// A piece of the text that was read: from `start` up to `end`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        // Text is at most `lib::MOST_BYTES` long, three times that once repaired.
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    pub fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..self.end as usize]
    }

    /// The same piece, as seen from the start of another that it is in.
    pub fn within(self, whole: Span) -> Self {
        Span {
            start: self.start - whole.start,
            end: self.end - whole.start,
        }
    }

    pub fn shifted(self, by: usize) -> Self {
        Span::new(self.start as usize + by, self.end as usize + by)
    }
}

/// How many fields are known, and how many of them stand before the tail.
pub const FIELDS: usize = 27;
pub const BEFORE_TAIL: usize = 17;

/// Why a line is no record, in the words of `line.decode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Empty,
    Start,
    Time,
    Middle,
}

impl Refusal {
    pub const ALL: [Refusal; 4] = [
        Refusal::Empty,
        Refusal::Start,
        Refusal::Time,
        Refusal::Middle,
    ];

    pub fn words(self) -> &'static str {
        match self {
            Refusal::Empty => "the line is empty",
            Refusal::Start => "no owner, bucket, time and operation at its start",
            Refusal::Time => "its time can't be read",
            Refusal::Middle => "no status, error code and counters behind its key",
        }
    }
}

/// What a line turned out to be: where its fields stand, without quotes and brackets.
///
/// The first `known` spans are set. `seconds` is the time since 1970 UTC.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub spans: [Span; FIELDS],
    pub known: usize,
    pub extra: Vec<Span>,
    pub seconds: i64,
    pub ambiguous: bool,
}

/// Reads a line, given as UTF-8 without its end.
pub fn read(text: &[u8]) -> Result<Reading, Refusal> {
    if text.iter().all(|byte| *byte == b' ') {
        return Err(Refusal::Empty);
    }
    let mut reading = Reading::default();
    let rest_at = head(text, &mut reading.spans).ok_or(Refusal::Start)?;
    reading.seconds = time::instant(reading.spans[2].of(text)).ok_or(Refusal::Time)?;
    let rest = Rest::new(&text[rest_at..]);
    let (middle, ambiguous) = rest.choose().ok_or(Refusal::Middle)?;
    for (place, span) in reading.spans[8..BEFORE_TAIL].iter_mut().zip(middle.spans) {
        *place = span.shifted(rest_at);
    }
    reading.ambiguous = ambiguous;
    let mut tokens: Vec<Span> = Tokens::new(rest.text, middle.tail_at)
        .skip(middle.tail_skips)
        .map(|span| span.shifted(rest_at))
        .collect();
    tail::drop_stray_hyphen(text, &mut tokens);
    let known = tail::known(text, &tokens);
    reading.spans[BEFORE_TAIL..BEFORE_TAIL + known].copy_from_slice(&tokens[..known]);
    reading.known = BEFORE_TAIL + known;
    reading.extra = tokens.split_off(known);
    Ok(reading)
}

/// Tokens from a place on, separated by one blank or more.
struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a [u8], at: usize) -> Self {
        Tokens { text, at }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let start = after_blanks(self.text, self.at);
        if start == self.text.len() {
            return None;
        }
        self.at = memchr::memchr(b' ', &self.text[start..])
            .map_or(self.text.len(), |length| start + length);
        Some(Span::new(start, self.at))
    }
}

/// The first place from `at` on that is no blank.
fn after_blanks(text: &[u8], at: usize) -> usize {
    let blanks = text[at..].iter().take_while(|byte| **byte == b' ').count();
    at + blanks
}

/// Whether a token is an operation, which is how the end of the requester is known.
pub fn is_operation(token: &[u8]) -> bool {
    [&b"REST."[..], b"SOAP.", b"WEBSITE.", b"BATCH.", b"S3."]
        .iter()
        .any(|family| token.len() > family.len() && token.starts_with(family))
}

/// Reads the eight fields up to the key; says where the rest begins. A blank must follow each.
fn head(text: &[u8], spans: &mut [Span; FIELDS]) -> Option<usize> {
    let mut tokens = Tokens::new(text, 0);
    spans[0] = tokens.next()?;
    spans[1] = tokens.next()?;
    let opening = after_blanks(text, tokens.at);
    if text.get(opening) != Some(&b'[') {
        return None;
    }
    let closing = opening + memchr::memchr(b']', &text[opening..])?;
    spans[2] = Span::new(opening + 1, closing);
    if text.get(closing + 1) != Some(&b' ') {
        return None;
    }
    tokens.at = closing + 1;
    spans[3] = tokens.next()?;
    let first = tokens.next()?;
    let mut requester_end = first.end;
    let mut before = tokens.next()?; // the request id, if what follows is the operation
    let mut unquoted = first;
    loop {
        if unquoted.of(text).contains(&b'"') {
            return None;
        }
        let token = tokens.next()?;
        if is_operation(token.of(text)) {
            spans[4] = Span {
                start: first.start,
                end: requester_end,
            };
            spans[5] = before;
            spans[6] = token;
            break;
        }
        unquoted = before;
        requester_end = before.end;
        before = token;
    }
    spans[7] = tokens.next()?;
    (tokens.at < text.len()).then(|| after_blanks(text, tokens.at))
}

/// One way to read what follows the key: request_uri, the six of the block, referer, user_agent;
/// and where the tail begins, and how many of its tokens were taken for hyphens of those.
#[derive(Clone, Copy)]
struct Middle {
    spans: [Span; 9],
    tail_at: usize,
    tail_skips: usize,
}

/// What follows the key, with its quotes found.
struct Rest<'a> {
    text: &'a [u8],
    quotes: Vec<usize>,
    /// Quotes that end a Referer where blanks and the quote that opens a User-Agent follow.
    separators: Vec<(usize, usize)>,
}

impl<'a> Rest<'a> {
    fn new(text: &'a [u8]) -> Self {
        let quotes: Vec<usize> = memchr::memchr_iter(b'"', text).collect();
        let last = quotes.last().copied().unwrap_or(0);
        let separators = quotes
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .filter(|(closing, opening)| {
                *opening < last
                    && opening - closing > 1
                    && text[closing + 1..*opening].iter().all(|byte| *byte == b' ')
            })
            .collect();
        Rest {
            text,
            quotes,
            separators,
        }
    }

    /// The likeliest reading, and whether there are others.
    fn choose(&self) -> Option<(Middle, bool)> {
        let closings: &[usize] = match self.text.first() {
            Some(b'-') => &[0],
            Some(b'"') => &self.quotes[1..],
            _ => return None,
        };
        let last = closings.last().copied();
        let request_line = RequestLine::new(self.text);
        let mut chosen: Option<(Middle, bool)> = None;
        let mut count = 0;
        for closing in closings.iter().copied() {
            if count > 0 && Some(closing) == last {
                continue;
            }
            let Some((block, at)) = block(self.text, closing + 1) else {
                continue;
            };
            let (ending, ways) = self.endings(at);
            let Some((referer, user_agent, tail_at, tail_skips)) = ending else {
                continue;
            };
            count += ways;
            let proper = request_line.ends_at(closing);
            if chosen.is_none_or(|(_, was_proper)| proper && !was_proper) {
                let mut spans = [Span::default(); 9];
                spans[0] = Span::new(usize::from(closing > 0), closing.max(1));
                spans[1..7].copy_from_slice(&block);
                spans[7..].copy_from_slice(&[referer, user_agent]);
                let middle = Middle {
                    spans,
                    tail_at,
                    tail_skips,
                };
                chosen = Some((middle, proper));
            }
            if count > 1 && chosen.is_some_and(|(_, proper)| proper) {
                break;
            }
        }
        chosen.map(|(middle, _)| (middle, count > 1))
    }

    /// The first way to read Referer, User-Agent and tail out of what follows the counters, with
    /// where the tail begins and how many tokens of it to skip; and how many ways there are, at
    /// most two.
    fn endings(&self, at: usize) -> (Option<(Span, Span, usize, usize)>, usize) {
        let text = self.text;
        let hyphen = |token: Option<Span>| token.is_some_and(|token| token.of(text) == b"-");
        let last = match self.quotes.last() {
            Some(last) if *last >= at => *last,
            _ => {
                let mut tokens = Tokens::new(text, at);
                let (referer, user_agent) = (tokens.next(), tokens.next());
                let both = hyphen(referer) && hyphen(user_agent);
                let spans = referer.zip(user_agent).filter(|_| both);
                return (spans.map(|(one, two)| (one, two, at, 2)), both.into());
            }
        };
        let tail_at = last + 1;
        if text.get(tail_at).is_some_and(|byte| *byte != b' ') {
            return (None, 0); // something is glued to the last quote
        }
        let one = |referer, user_agent, skips| (Some((referer, user_agent, tail_at, skips)), 1);
        match text[at] {
            b'-' => {
                let opening = after_blanks(text, at + 1);
                if opening == at + 1 || text[opening] != b'"' || opening >= last {
                    return (None, 0);
                }
                one(Span::new(at, at + 1), Span::new(opening + 1, last), 0)
            }
            b'"' if at < last => {
                let next = self
                    .separators
                    .partition_point(|(closing, _)| *closing <= at);
                match self.separators.get(next) {
                    Some((closing, opening)) => (
                        Some((
                            Span::new(at + 1, *closing),
                            Span::new(opening + 1, last),
                            tail_at,
                            0,
                        )),
                        (self.separators.len() - next).min(2),
                    ),
                    None => match Tokens::new(text, tail_at).next() {
                        dash if hyphen(dash) => {
                            one(Span::new(at + 1, last), dash.unwrap_or_default(), 1)
                        }
                        _ => (None, 0),
                    },
                }
            }
            _ => (None, 0),
        }
    }
}

/// Where a request line may end so that it is `METHOD target HTTP/n`.
struct RequestLine<'a> {
    text: &'a [u8],
    protocol_at: Option<usize>,
}

impl<'a> RequestLine<'a> {
    fn new(text: &'a [u8]) -> Self {
        let mut blanks = memchr::memchr_iter(b' ', text);
        let protocol_at = match (blanks.next(), blanks.next()) {
            (Some(one), Some(two)) if one > 1 && two > one + 1 => Some(two + 1),
            _ => None,
        };
        RequestLine { text, protocol_at }
    }

    fn ends_at(&self, closing: usize) -> bool {
        let Some(at) = self.protocol_at else {
            return false;
        };
        match self.text.get(at..closing) {
            Some([b'H', b'T', b'T', b'P', b'/', major]) => major.is_ascii_digit(),
            Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]) => {
                major.is_ascii_digit() && minor.is_ascii_digit()
            }
            _ => false,
        }
    }
}

/// The status, the error code and the four counters that begin at `at`, and where they end,
/// blanks included.
fn block(text: &[u8], at: usize) -> Option<([Span; 6], usize)> {
    if text.get(at) != Some(&b' ') {
        return None;
    }
    let mut spans = [Span::default(); 6];
    let mut at = at;
    for (index, place) in spans.iter_mut().enumerate() {
        let start = after_blanks(text, at);
        let length = token_length(&text[start..], index)?;
        at = start + length;
        if text.get(at).is_some_and(|byte| *byte != b' ') {
            return None;
        }
        *place = Span::new(start, at);
    }
    Some((spans, after_blanks(text, at)))
}

/// How long the token of the block is that the text begins with; `index` is its place there.
fn token_length(text: &[u8], index: usize) -> Option<usize> {
    let digits = |most: usize| {
        let digits = text
            .iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_digit());
        digits.count()
    };
    match (text.first()?, index) {
        (b'-', _) => Some(1),
        (_, 0) => (digits(3) == 3).then_some(3),
        (first, 1) => first.is_ascii_alphabetic().then(|| {
            let word = text.iter().take_while(|byte| is_word(**byte));
            word.count()
        }),
        (first, _) => first.is_ascii_digit().then(|| digits(18)),
    }
}

/// Whether a byte may stand in an error code, behind its first letter.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')
}
