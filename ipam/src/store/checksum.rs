//! The checksum of records.

/// CRC-32 (IEEE 802.3, reflected), eight bytes at a time by as many tables: opening a store of a million
/// records checks a hundred megabytes.
///
/// Of parts as if they stood one after another.
pub(crate) fn checksum_of(parts: &[&[u8]]) -> u32 {
    !parts.iter().fold(u32::MAX, |crc, part| {
        let (words, rest) = part.as_chunks::<8>();
        let crc = words.iter().fold(crc, |crc, word| {
            let word = u64::from_le_bytes(*word) ^ u64::from(crc);
            let tables = TABLES.iter().rev().enumerate();
            tables.fold(0, |crc, (i, table)| {
                crc ^ table[(word >> (8 * i)) as usize & 255]
            })
        });
        rest.iter().fold(crc, |crc, &byte| {
            (crc >> 8) ^ TABLES[0][((crc ^ u32::from(byte)) & 255) as usize]
        })
    })
}

/// The remainders of each byte, followed by as many zero bytes as the table's number.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let (mut crc, mut bit) = (i as u32, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut table = 1;
    while table < 8 {
        i = 0;
        while i < 256 {
            let before = tables[table - 1][i];
            tables[table][i] = (before >> 8) ^ tables[0][(before & 255) as usize];
            i += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::checksum_of;

    /// The check value of CRC-32 (Williams, "A painless guide to CRC error detection algorithms", 1993), and
    /// every length against one bit after another.
    #[test]
    fn the_checksum_is_crc_32() {
        assert_eq!(checksum_of(&[b"123456789"]), 0xcbf4_3926);
        assert_eq!(checksum_of(&[b"12", b"", b"3456789"]), 0xcbf4_3926);
        let bytes: [u8; 40] = core::array::from_fn(|i| (i * 37) as u8);
        for length in 0..=bytes.len() {
            let part = &bytes[..length];
            let slow = !part.iter().fold(u32::MAX, |crc, &byte| {
                (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                    (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
                })
            });
            assert_eq!(checksum_of(&[part]), slow);
        }
    }
}
