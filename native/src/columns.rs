//! The Arrow columns of rows and of rejects, as `reader/schema.py` has them.

use crate::reading::{FIELDS, Reading, Refusal};
use crate::tail;
use arrow_array::builder::*;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use std::sync::Arc;

pub const NAMES: [&str; FIELDS] = [
    "bucket_owner",
    "bucket",
    "time",
    "remote_ip",
    "requester",
    "request_id",
    "operation",
    "key",
    "request_uri",
    "http_status",
    "error_code",
    "bytes_sent",
    "object_size",
    "total_time",
    "turn_around_time",
    "referer",
    "user_agent",
    "version_id",
    "host_id",
    "signature_version",
    "cipher_suite",
    "authentication_type",
    "host_header",
    "tls_version",
    "access_point_arn",
    "acl_required",
    "source_region",
];

enum Column {
    Dict(StringDictionaryBuilder<Int32Type>),
    Text(StringBuilder),
    Count(Int64Builder),
    Status(Int16Builder),
    Time(TimestampMicrosecondBuilder),
    Bool(BooleanBuilder),
}

pub struct Rows {
    columns: Vec<Column>,
    extra: ListBuilder<StringBuilder>,
    ambiguous: BooleanBuilder,
    raw: BinaryBuilder,
    field_count: Int16Builder,
    number: Int64Builder,
}

fn number(text: &[u8]) -> i64 {
    text.iter()
        .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
}

impl Rows {
    pub fn new() -> Self {
        let columns = (0..FIELDS)
            .map(|index| match index {
                2 => Column::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
                5 | 7 | 8 | 17 | 18 => Column::Text(StringBuilder::new()),
                9 => Column::Status(Int16Builder::new()),
                11..=14 => Column::Count(Int64Builder::new()),
                25 => Column::Bool(BooleanBuilder::new()),
                _ => Column::Dict(StringDictionaryBuilder::new()),
            })
            .collect();
        Rows {
            columns,
            extra: ListBuilder::new(StringBuilder::new()),
            ambiguous: BooleanBuilder::new(),
            raw: BinaryBuilder::new(),
            field_count: Int16Builder::new(),
            number: Int64Builder::new(),
        }
    }

    pub fn push(&mut self, text: &str, reading: &Reading, raw: Option<&[u8]>, number_: i64) {
        for (index, column) in self.columns.iter_mut().enumerate() {
            let span = reading.spans[index];
            let value = (index < reading.known)
                .then(|| &text[span.start as usize..span.end as usize])
                .filter(|value| *value != "-");
            match column {
                Column::Dict(builder) => builder.append_option(value),
                Column::Text(builder) => builder.append_option(value),
                Column::Count(builder) => {
                    builder.append_option(value.map(|v| number(v.as_bytes())))
                }
                Column::Status(builder) => {
                    builder.append_option(value.map(|v| number(v.as_bytes()) as i16));
                }
                Column::Time(builder) => builder.append_value(reading.seconds * 1_000_000),
                Column::Bool(builder) => {
                    builder.append_option(value.map(|v| tail::acl_required(v.as_bytes())));
                }
            }
        }
        for span in &reading.extra {
            self.extra
                .values()
                .append_value(&text[span.start as usize..span.end as usize]);
        }
        self.extra.append(!reading.extra.is_empty());
        self.ambiguous.append_value(reading.ambiguous);
        self.raw.append_option(raw);
        let count = reading.known + reading.extra.len();
        self.field_count
            .append_value(i16::try_from(count).unwrap_or(i16::MAX));
        self.number.append_value(number_);
    }

    pub fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (name, column) in NAMES.iter().zip(self.columns) {
            let array: ArrayRef = match column {
                Column::Dict(mut b) => Arc::new(b.finish()),
                Column::Text(mut b) => Arc::new(b.finish()),
                Column::Count(mut b) => Arc::new(b.finish()),
                Column::Status(mut b) => Arc::new(b.finish()),
                Column::Time(mut b) => Arc::new(b.finish()),
                Column::Bool(mut b) => Arc::new(b.finish()),
            };
            fields.push(Field::new(*name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let extra = self.extra.finish();
        fields.push(Field::new(
            "extra_fields",
            arrow_array::Array::data_type(&extra).clone(),
            true,
        ));
        arrays.push(Arc::new(extra));
        fields.push(Field::new("parse_ambiguous", DataType::Boolean, false));
        arrays.push(Arc::new(self.ambiguous.finish()));
        fields.push(Field::new("raw", DataType::Binary, true));
        arrays.push(Arc::new(self.raw.finish()));
        fields.push(Field::new("field_count", DataType::Int16, true));
        arrays.push(Arc::new(self.field_count.finish()));
        fields.push(Field::new("line_number", DataType::Int64, false));
        arrays.push(Arc::new(self.number.finish()));
        let _ = TimeUnit::Microsecond;
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }
}

#[derive(Default)]
pub struct Rejects {
    number: Int64Builder,
    offset: Int64Builder,
    reason: StringDictionaryBuilder<Int32Type>,
    bytes: BinaryBuilder,
}

impl Rejects {
    pub fn push(&mut self, refusal: Refusal, line: &[u8], number: i64, offset: i64) {
        self.number.append_value(number);
        self.offset.append_value(offset);
        self.reason.append_value(refusal.words());
        self.bytes.append_value(line);
    }

    pub fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let reason = self.reason.finish();
        let schema = Schema::new(vec![
            Field::new("line_number", DataType::Int64, false),
            Field::new("offset", DataType::Int64, false),
            Field::new(
                "reason",
                arrow_array::Array::data_type(&reason).clone(),
                false,
            ),
            Field::new("bytes", DataType::Binary, false),
        ]);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(self.number.finish()),
                Arc::new(self.offset.finish()),
                Arc::new(reason),
                Arc::new(self.bytes.finish()),
            ],
        )
    }
}
