//! Size tables and rate estimators.

use super::error::TcError;
use super::number;
use super::words::{Words, begins};
use crate::object::{Estimator, Stab};
use alloc::vec::Vec;

/// Greatest number of slots taken: the attribute's length has 16 bits.
const SLOTS_MAX: u32 = 32_000;

/// `TC_LINKLAYER_*` by name.
pub(super) fn linklayer(word: &str) -> Option<u32> {
    match word {
        w if begins(w, "ethernet") => Some(1),
        w if begins(w, "atm") || begins(w, "adsl") => Some(2),
        _ => None,
    }
}

/// What a packet of `size` bytes counts as: ATM packs 48 bytes into cells of 53.
fn adjusted(size: u32, mpu: u32, linklayer: u32) -> u32 {
    let size = size.max(mpu);
    if linklayer == 2 {
        size.div_ceil(48).saturating_mul(53)
    } else {
        size
    }
}

/// `stab [mtu N] [mpu N] [overhead N] [tsize N] [linklayer TYPE]`, up to the first other word.
pub(super) fn size_table(words: &mut Words<'_>) -> Result<Stab, TcError> {
    let mut stab = Stab::default();
    while let Some(name) = words.next() {
        match name {
            n if begins(n, "mtu") => once(&mut stab.mtu, "mtu", "invalid mtu", words)?,
            n if begins(n, "mpu") => once(&mut stab.mpu, "mpu", "invalid mpu", words)?,
            n if begins(n, "tsize") => once(&mut stab.tsize, "tsize", "invalid table size", words)?,
            n if begins(n, "overhead") => {
                let word = words.value()?;
                if stab.overhead != 0 {
                    return Err(TcError::duplicate("overhead", word));
                }
                let given = number::integer(word, 10);
                stab.overhead = given.ok_or_else(|| TcError::invalid("invalid overhead", word))?;
            }
            n if begins(n, "linklayer") => {
                let word = words.value()?;
                if stab.linklayer != 0 {
                    return Err(TcError::duplicate("linklayer", word));
                }
                stab.linklayer =
                    linklayer(word).ok_or_else(|| TcError::invalid("invalid linklayer", word))?;
            }
            _ => {
                words.back();
                break;
            }
        }
    }
    if stab.linklayer == 0 && stab.mpu == 0 && stab.overhead == 0 {
        return Err(TcError::new("stab: needs a linklayer, mpu or overhead"));
    }
    table(&mut stab)?;
    Ok(stab)
}

fn once(place: &mut u32, name: &str, why: &str, words: &mut Words<'_>) -> Result<(), TcError> {
    let word = words.value()?;
    if *place != 0 {
        return Err(TcError::duplicate(name, word));
    }
    *place = number::u32(word, 10).ok_or_else(|| TcError::invalid(why, word))?;
    Ok(())
}

/// Fills in the table: entry `i` is what a packet of up to `(i + 1) << cell_log` bytes counts as.
fn table(stab: &mut Stab) -> Result<(), TcError> {
    if stab.linklayer <= 1 && stab.mpu == 0 {
        // Only an overhead: no table is needed.
        (stab.mtu, stab.tsize) = (0, 0);
        return Ok(());
    }
    stab.mtu = if stab.mtu == 0 { 2047 } else { stab.mtu };
    stab.tsize = if stab.tsize == 0 { 512 } else { stab.tsize };
    if stab.tsize > SLOTS_MAX {
        return Err(TcError::new("failed to calculate size table."));
    }
    while stab.mtu.checked_shr(u32::from(stab.cell_log)).unwrap_or(0) > stab.tsize - 1 {
        stab.cell_log += 1;
    }
    loop {
        let entry = |i: u32| {
            let size = u64::from(i + 1) << stab.cell_log.min(31);
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            u16::try_from(adjusted(size, stab.mpu, stab.linklayer) >> stab.size_log).ok()
        };
        match (0..stab.tsize).map(entry).collect::<Option<Vec<u16>>>() {
            Some(data) => stab.data = data,
            None if stab.size_log < 16 => {
                stab.size_log += 1;
                continue;
            }
            None => return Err(TcError::new("failed to calculate size table.")),
        }
        stab.cell_align = -1;
        return Ok(());
    }
}

/// -ln(1 - 2^-k) for k = 1 to 31, by which tc picks the weight of an estimator's average.
const LOGS: [f64; 31] = [
    core::f64::consts::LN_2,
    0.2876820724517809,
    0.13353139262452263,
    0.06453852113757118,
    0.0317486983145803,
    0.015748356968139168,
    0.007843177461025893,
    0.003913899321136329,
    0.0019550348358033506,
    0.0009770396478266127,
    0.0004884004981088745,
    0.0002441704321739145,
    0.00012207776368698225,
    6.103701897094392e-05,
    3.0518043795761425e-05,
    1.5258905479006077e-05,
    7.629423635228488e-06,
    3.814704541601118e-06,
    1.9073504518042164e-06,
    9.5367477115389e-07,
    4.768372718899988e-07,
    2.3841860752327643e-07,
    1.1920929665620916e-07,
    5.960464655174753e-08,
    2.980232283178453e-08,
    1.490116130486996e-08,
    7.450580624679404e-09,
    3.725290305400808e-09,
    1.8626451509656805e-09,
    9.313225750491594e-10,
    4.656612874161595e-10,
];

/// `estimator INTERVAL TIME_CONSTANT`.
pub(super) fn estimator(words: &mut Words<'_>) -> Result<Estimator, TcError> {
    let mut time = |why| {
        let word = words.value()?;
        number::time(word).ok_or_else(|| TcError::invalid("estimator", why))
    };
    let interval = time("invalid estimator interval")?;
    let constant = time("invalid estimator time constant")?;
    let out_of_range = || TcError::new("Error: estimator parameters are out of range.");
    // 250 ms to 8 s, in powers of two.
    let power = (0_i8..=5)
        .find(|i| interval <= (1 << i) * 250_000)
        .ok_or_else(out_of_range)?;
    let long = |log: &f64| f64::from(interval) / log > f64::from(constant);
    let ewma_log = LOGS.iter().position(long).unwrap_or(LOGS.len());
    let ewma_log = u8::try_from(ewma_log).ok().filter(|e| (1..31).contains(e));
    Ok(Estimator {
        interval: power - 2,
        ewma_log: ewma_log.ok_or_else(out_of_range)?,
    })
}
