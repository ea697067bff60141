//! The columns of rows, as `reader/schema.py` has them (LINE_COLUMNS).

use crate::batch::Batch;
use crate::bits::{Bits, Validity};
use crate::dictionary::Dictionary;
use crate::joint::{Flags, Joint, Parts};
use crate::numbers;
use crate::reading::{BEFORE_TAIL, FIELDS, Reading, Span};
use crate::tail;
use crate::text::{Extra, Kept, Text};
use arrow_array::{
    ArrayRef, BooleanArray, Int16Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use std::sync::Arc;

/// What the fields' columns hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Few values come again and again.
    Repeating,
    /// The same, in a text with its neighbours: at the line's head or in its tail.
    Head,
    Tail,
    /// Hardly two values are the same.
    Distinct,
    Time,
    Status,
    /// A number of bytes or milliseconds; the index is among the four.
    Count(usize),
    AclRequired,
}

const COLUMNS: [(&str, Kind); FIELDS] = [
    ("bucket_owner", Kind::Head),
    ("bucket", Kind::Head),
    ("time", Kind::Time),
    ("remote_ip", Kind::Repeating),
    ("requester", Kind::Repeating),
    ("request_id", Kind::Distinct),
    ("operation", Kind::Repeating),
    ("key", Kind::Distinct),
    ("request_uri", Kind::Distinct),
    ("http_status", Kind::Status),
    ("error_code", Kind::Repeating),
    ("bytes_sent", Kind::Count(0)),
    ("object_size", Kind::Count(1)),
    ("total_time", Kind::Count(2)),
    ("turn_around_time", Kind::Count(3)),
    ("referer", Kind::Repeating),
    ("user_agent", Kind::Repeating),
    ("version_id", Kind::Distinct),
    ("host_id", Kind::Distinct),
    ("signature_version", Kind::Tail),
    ("cipher_suite", Kind::Tail),
    ("authentication_type", Kind::Tail),
    ("host_header", Kind::Tail),
    ("tls_version", Kind::Tail),
    ("access_point_arn", Kind::Tail),
    ("acl_required", Kind::AclRequired),
    ("source_region", Kind::Tail),
];

/// How many columns are filled from texts of several fields.
pub const HEAD_COLUMNS: usize = 2;
pub const TAIL_COLUMNS: usize = 7;

/// Places of columns that are filled apart.
const TIME: usize = 2;
const REQUEST_URI: usize = 8;
const HTTP_STATUS: usize = 9;
const BYTES_SENT: usize = 11;
const SIGNATURE_VERSION: usize = 19;
const ACL_REQUIRED: usize = 25;

/// A column of numbers.
struct Numbers<T> {
    values: Vec<T>,
    validity: Validity,
}

impl<T: Copy> Numbers<T> {
    fn new(rows: usize) -> Self {
        Numbers {
            values: Vec::with_capacity(rows),
            validity: Validity::default(),
        }
    }

    fn append(&mut self, values: &[T], nulls: u64) {
        self.values.extend_from_slice(values);
        self.validity.append(nulls, values.len());
    }
}

/// Rows, some of them still in a batch.
pub struct Rows {
    pub batch: Batch,
    done: usize,
    pub heads: Joint<HEAD_COLUMNS>,
    pub tails: Joint<TAIL_COLUMNS>,
    head: [Dictionary; HEAD_COLUMNS],
    tail: [Dictionary; TAIL_COLUMNS],
    repeating: Vec<(usize, Dictionary)>,
    distinct: Vec<(usize, Text)>,
    times_us: Vec<i64>,
    statuses: Numbers<i16>,
    counts: [Numbers<i64>; 4],
    acl_required: Bits,
    acl_validity: Validity,
    extra: Extra,
    ambiguous: Bits,
    raw: Kept,
    field_counts: Vec<i16>,
    line_numbers: Vec<i64>,
}

impl Rows {
    /// Columns with room for about as many rows, of about as many bytes.
    pub fn new(rows: usize, bytes: usize) -> Self {
        let places = |kind| move |index: &usize| COLUMNS[*index].1 == kind;
        let empty_is_null = |index| index >= BEFORE_TAIL;
        Rows {
            batch: Batch::default(),
            done: 0,
            heads: Joint::default(),
            tails: Joint::default(),
            head: std::array::from_fn(|_| Dictionary::new(false, rows)),
            tail: std::array::from_fn(|_| Dictionary::new(true, rows)),
            repeating: (0..FIELDS)
                .filter(places(Kind::Repeating))
                .map(|index| (index, Dictionary::new(false, rows)))
                .collect(),
            distinct: (0..FIELDS)
                .filter(places(Kind::Distinct))
                .map(|index| {
                    // The request line is the longest of all; room that isn't used costs nothing.
                    let share = if index == REQUEST_URI { 3 } else { 6 };
                    (index, Text::new(empty_is_null(index), rows, bytes / share))
                })
                .collect(),
            times_us: Vec::with_capacity(rows),
            statuses: Numbers::new(rows),
            counts: std::array::from_fn(|_| Numbers::new(rows)),
            acl_required: Bits::default(),
            acl_validity: Validity::default(),
            extra: Extra::default(),
            ambiguous: Bits::default(),
            raw: Kept::default(),
            field_counts: Vec::with_capacity(rows),
            line_numbers: Vec::with_capacity(rows),
        }
    }

    /// Adds a row to the batch, which has room for it: what was read at `at` in `source`.
    ///
    /// `raw` is the line as it came, where it is to be kept.
    pub fn push(&mut self, source: &[u8], at: usize, reading: &Reading, raw: Option<&[u8]>) {
        let batch = &mut self.batch;
        let row = batch.rows;
        for (index, (_, kind)) in COLUMNS.iter().enumerate() {
            let span = reading.spans[index].shifted(at);
            let value = Some(span.of(source)).filter(|value| !matches!(*value, b"-" | b""));
            let null = u64::from(value.is_none()) << row;
            match kind {
                Kind::Repeating | Kind::Distinct => batch.spans[index][row] = span,
                Kind::Head | Kind::Tail => (),
                Kind::Time => batch.times_us[row] = reading.seconds * 1_000_000,
                Kind::Status => {
                    let number = value.and_then(numbers::long_count);
                    batch.statuses[row] = number.unwrap_or(0) as i16;
                    batch.status_nulls |= null;
                }
                Kind::Count(which) => {
                    let number = value.and_then(numbers::long_count);
                    batch.counts[*which][row] = number.unwrap_or(0);
                    batch.count_nulls[*which] |= null;
                }
                Kind::AclRequired => {
                    let is_required = value.is_some_and(tail::acl_required);
                    batch.acl_required |= u64::from(is_required) << row;
                    batch.acl_nulls |= null;
                }
            }
        }
        batch.heads[row] = joined(
            &mut self.heads,
            source,
            &reading.spans[..2],
            at,
            |_, spans| Parts {
                spans: [spans[0], spans[1]],
                flags: Flags {
                    is_sound: true,
                    acl_required: None,
                },
            },
        );
        let behind_host_id =
            &reading.spans[SIGNATURE_VERSION..reading.known.max(SIGNATURE_VERSION)];
        batch.tails[row] = joined(&mut self.tails, source, behind_host_id, at, tail::parts);
        batch.ambiguous |= u64::from(reading.ambiguous) << row;
        let fields = reading.known + reading.extra.len();
        batch.field_counts[row] = i16::try_from(fields).unwrap_or(i16::MAX);
        batch.rows += 1;
        if !reading.extra.is_empty() {
            let fields = reading.extra.iter().map(|span| span.shifted(at).of(source));
            self.extra.push(self.done + row, fields);
        }
        if let Some(raw) = raw {
            self.raw.push(self.done + row, raw);
        }
    }

    /// Puts the batch's rows, whose text stands in `source`, into the columns.
    #[inline(always)]
    pub fn flush(&mut self, source: &[u8]) {
        let batch = &self.batch;
        let rows = batch.rows;
        let spans = |index: usize| -> &[Span] { &batch.spans[index][..rows] };
        for (index, column) in &mut self.repeating {
            column.append(source, spans(*index));
        }
        for (index, column) in &mut self.distinct {
            column.append(source, spans(*index));
        }
        self.heads.flush(&batch.heads[..rows], &mut self.head);
        self.tails.flush(&batch.tails[..rows], &mut self.tail);
        self.times_us.extend_from_slice(&batch.times_us[..rows]);
        self.statuses
            .append(&batch.statuses[..rows], batch.status_nulls);
        for (index, column) in self.counts.iter_mut().enumerate() {
            column.append(&batch.counts[index][..rows], batch.count_nulls[index]);
        }
        self.acl_required.append(batch.acl_required, rows);
        self.acl_validity.append(batch.acl_nulls, rows);
        self.ambiguous.append(batch.ambiguous, rows);
        self.field_counts
            .extend_from_slice(&batch.field_counts[..rows]);
        self.line_numbers
            .extend_from_slice(&batch.line_numbers[..rows]);
        self.done += rows;
        self.batch.clear();
    }

    /// All rows; the batch must be flushed.
    pub fn finish(self) -> Result<RecordBatch, ArrowError> {
        let rows = self.done;
        let mut columns: Vec<Option<ArrayRef>> = vec![None; FIELDS];
        let places = |kind| (0..FIELDS).filter(move |index| COLUMNS[*index].1 == kind);
        let joints = places(Kind::Head).zip(self.head);
        let joints = joints.chain(places(Kind::Tail).zip(self.tail));
        for (index, column) in joints.chain(self.repeating) {
            columns[index] = Some(column.finish()?);
        }
        for (index, column) in self.distinct {
            columns[index] = Some(column.finish()?);
        }
        let times = TimestampMicrosecondArray::try_new(ScalarBuffer::from(self.times_us), None)?;
        columns[TIME] = Some(Arc::new(times.with_timezone("UTC")));
        let Numbers { values, validity } = self.statuses;
        let statuses = Int16Array::try_new(ScalarBuffer::from(values), validity.finish())?;
        columns[HTTP_STATUS] = Some(Arc::new(statuses));
        for (index, column) in self.counts.into_iter().enumerate() {
            let values = ScalarBuffer::from(column.values);
            let counts = Int64Array::try_new(values, column.validity.finish())?;
            columns[BYTES_SENT + index] = Some(Arc::new(counts));
        }
        let acl_required = self.acl_required.finish();
        let acl_required = BooleanArray::new(acl_required, self.acl_validity.finish());
        columns[ACL_REQUIRED] = Some(Arc::new(acl_required));
        let mut columns: Vec<ArrayRef> = columns.into_iter().flatten().collect();
        columns.push(self.extra.finish(rows)?);
        columns.push(Arc::new(BooleanArray::new(self.ambiguous.finish(), None)));
        columns.push(self.raw.finish(rows)?);
        columns.push(Arc::new(Int16Array::from(self.field_counts)));
        columns.push(Arc::new(Int64Array::from(self.line_numbers)));
        RecordBatch::try_new(Arc::new(schema()), columns)
    }
}

/// The number of the text that these fields are, with one blank between any two.
fn joined<const COUNT: usize>(
    joint: &mut Joint<COUNT>,
    source: &[u8],
    fields: &[Span],
    at: usize,
    take_apart: impl FnOnce(&[u8], &[Span]) -> Parts<COUNT>,
) -> u32 {
    let mut text = Vec::new();
    let mut spans = Vec::new();
    for field in fields {
        if !spans.is_empty() {
            text.push(b' ');
        }
        let start = text.len();
        text.extend_from_slice(field.shifted(at).of(source));
        spans.push(Span::new(start, text.len()));
    }
    joint.find(&text, || take_apart(&text, &spans)).0
}

/// LINE_COLUMNS.
fn schema() -> Schema {
    let repeating = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let mut fields: Vec<Field> = COLUMNS
        .iter()
        .map(|(name, kind)| {
            let kind = match kind {
                Kind::Repeating | Kind::Head | Kind::Tail => repeating(),
                Kind::Distinct => DataType::Utf8,
                Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                Kind::Status => DataType::Int16,
                Kind::Count(_) => DataType::Int64,
                Kind::AclRequired => DataType::Boolean,
            };
            Field::new(*name, kind, true)
        })
        .collect();
    let item = Field::new("item", DataType::Utf8, true);
    fields.push(Field::new(
        "extra_fields",
        DataType::List(Arc::new(item)),
        true,
    ));
    fields.push(Field::new("parse_ambiguous", DataType::Boolean, false));
    fields.push(Field::new("raw", DataType::Binary, true));
    fields.push(Field::new("field_count", DataType::Int16, true));
    fields.push(Field::new("line_number", DataType::Int64, false));
    Schema::new(fields)
}
