//! Parameters and columns by the types that PostgreSQL says they have.
//!
//! A statement is prepared before it is run, and the server tells the types of its parameters and columns. So a
//! [`Value`] needs no type of its own, and the SQL needs none but where the server cannot tell.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::Value;

type Refused = Box<dyn Error + Sync + Send>;

/// A parameter on its way.
#[derive(Debug)]
pub(super) struct Param<'a>(pub(super) &'a Value);

impl ToSql for Param<'_> {
    fn to_sql(&self, wanted: &Type, out: &mut BytesMut) -> Result<IsNull, Refused> {
        match (self.0, wanted) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Int(number), &Type::INT8) => number.to_sql(wanted, out),
            (Value::Int(number), &Type::INT4) => i32::try_from(*number)?.to_sql(wanted, out),
            (Value::Int(number), &Type::INT2) => i16::try_from(*number)?.to_sql(wanted, out),
            (Value::Int(number), &Type::BOOL) => (*number != 0).to_sql(wanted, out),
            #[expect(clippy::cast_precision_loss, reason = "the column holds fractions")]
            (Value::Int(number), &Type::FLOAT8) => (*number as f64).to_sql(wanted, out),
            (Value::Real(number), &Type::FLOAT8) => number.to_sql(wanted, out),
            (Value::Text(text), &(Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN)) => {
                text.to_sql(wanted, out)
            }
            (Value::Text(text), &Type::BYTEA) => text.as_bytes().to_sql(wanted, out),
            (Value::Bytes(bytes), &Type::BYTEA) => bytes.as_slice().to_sql(wanted, out),
            (value, _) => Err(format!("{} was given for a parameter of type {wanted}", value.kind()).into()),
        }
    }

    fn accepts(_wanted: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column as it came.
#[derive(Debug)]
pub(super) struct Column(pub(super) Value);

impl<'a> FromSql<'a> for Column {
    fn from_sql(found: &Type, raw: &'a [u8]) -> Result<Self, Refused> {
        Ok(Self(match *found {
            Type::INT8 => Value::Int(i64::from_sql(found, raw)?),
            Type::INT4 => Value::Int(i32::from_sql(found, raw)?.into()),
            Type::INT2 => Value::Int(i16::from_sql(found, raw)?.into()),
            Type::BOOL => Value::Int(bool::from_sql(found, raw)?.into()),
            Type::FLOAT8 => Value::Real(f64::from_sql(found, raw)?),
            Type::FLOAT4 => Value::Real(f32::from_sql(found, raw)?.into()),
            Type::NUMERIC => numeric(raw)?,
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN => {
                Value::Text(String::from_sql(found, raw)?)
            }
            Type::BYTEA => Value::Bytes(raw.to_vec()),
            // The answer of a function that has none.
            Type::VOID => Value::Null,
            _ => {
                return Err(format!("a column has the type {found}, which no statement here asks for").into());
            }
        }))
    }

    fn from_sql_null(_found: &Type) -> Result<Self, Refused> {
        Ok(Self(Value::Null))
    }

    fn accepts(_found: &Type) -> bool {
        true
    }
}

/// What sums of whole numbers come as: groups of four decimal digits, the first of which counts 10,000 to the
/// power of `weight`. A fraction, or a number that does not fit, is refused.
fn numeric(raw: &[u8]) -> Result<Value, Refused> {
    let word = |at: usize| -> Result<i16, Refused> {
        let bytes = raw.get(at * 2..at * 2 + 2).ok_or("a number was cut")?;
        Ok(i16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let (groups, weight, sign) = (word(0)?, i32::from(word(1)?), word(2)?);
    let mut number = 0_i128;
    for group in 0..groups {
        let power = weight - i32::from(group);
        let worth = u32::try_from(power).ok().and_then(|power| 10_000_i128.checked_pow(power));
        let digits = i128::from(word(4 + usize::try_from(group)?)?);
        match worth.and_then(|worth| worth.checked_mul(digits)) {
            Some(part) => number += part,
            None => return Err("a sum is not a whole number of 64 bits".into()),
        }
    }
    match sign {
        0 => Ok(Value::Int(i64::try_from(number)?)),
        0x4000 => Ok(Value::Int(i64::try_from(-number)?)),
        _ => Err("a sum is not a number".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[i16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn sums_of_whole_numbers_read_as_whole_numbers() {
        let cases: [(&[i16], i64); 6] = [
            (&[0, 0, 0, 0], 0),
            (&[1, 0, 0, 0, 7], 7),
            // Trailing groups of zeros are not sent.
            (&[1, 1, 0, 0, 3], 30_000),
            (&[2, 1, 0, 0, 1, 2345], 12_345),
            (&[1, 0, 0x4000, 0, 42], -42),
            (&[5, 4, 0, 0, 922, 3372, 368, 5477, 5807], i64::MAX),
        ];
        for (raw, number) in cases {
            assert_eq!(numeric(&words(raw)).unwrap(), Value::Int(number));
        }
    }

    #[test]
    fn a_sum_that_is_no_whole_number_of_64_bits_is_refused() {
        for raw in
            [&[1, -1, 0, 1, 5000][..], &[1, 9, 0, 0, 1], &[0, 0, 0xC000_u16.cast_signed(), 0], &[1, 0, 0]]
        {
            assert!(numeric(&words(raw)).is_err(), "{raw:?}");
        }
    }
}
