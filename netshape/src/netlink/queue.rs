//! Options of qdiscs and of HTB classes, both ways.

use super::attr::{Attr, Attrs, Fields, Out};
use super::error::DecodeError;
use crate::object::{FqCodel, Htb, HtbClass, RateSpec, Tbf};

/// `TC_HTB_PROTOVER`.
const HTB_VERSION: u32 = 3;
/// From this rate on, in byte/s, the 32-bit field is full and a 64-bit attribute says the rest.
const WIDE: u64 = 1 << 32;

/// `tc_ratespec`, with the rate cut to its 32 bits.
fn spec(spec: &RateSpec) -> [u8; 12] {
    let rate = u32::try_from(spec.bytes_per_second).unwrap_or(u32::MAX);
    let ([o0, o1], [a0, a1]) = (spec.overhead.to_le_bytes(), spec.cell_align.to_le_bytes());
    let ([m0, m1], [r0, r1, r2, r3]) = (spec.mpu.to_le_bytes(), rate.to_le_bytes());
    let (log, layer) = (spec.cell_log, spec.linklayer);
    [log, layer, o0, o1, a0, a1, m0, m1, r0, r1, r2, r3]
}

fn read_spec(fields: &mut Fields<'_>) -> RateSpec {
    let cell_log = fields.u8();
    // The upper half of the byte is reserved.
    let linklayer = fields.u8() & 0x0f;
    let overhead = fields.u16();
    let cell_align = fields.i16();
    let mpu = fields.u16();
    let bytes_per_second = u64::from(fields.u32());
    RateSpec {
        bytes_per_second,
        overhead,
        mpu,
        linklayer,
        cell_log,
        cell_align,
    }
}

pub(super) fn write_htb(htb: &Htb, out: &mut Out<'_>) {
    let glob = [
        HTB_VERSION,
        htb.rate2quantum,
        htb.default,
        htb.debug,
        htb.direct_packets,
    ];
    out.u32s(2, &glob);
    if let Some(qlen) = htb.direct_qlen {
        out.u32(5, qlen);
    }
    if htb.offload {
        out.attr(9, &[]);
    }
}

/// The options of an HTB qdisc; `None` where there is no `TCA_HTB_INIT`.
pub(super) fn read_htb(attrs: Attrs<'_>) -> Result<Option<Htb>, DecodeError> {
    let (mut init, mut direct_qlen, mut offload) = (None, None, false);
    for attr in attrs {
        let attr = attr?;
        match attr.kind {
            2 => init = Some(attr.array::<20>()?),
            5 => direct_qlen = Some(attr.u32()?),
            9 => offload = true,
            _ => {}
        }
    }
    Ok(init.map(|bytes| {
        let mut fields = Fields(&bytes);
        let _version = fields.u32();
        let (rate2quantum, default) = (fields.u32(), fields.u32());
        let (debug, direct_packets) = (fields.u32(), fields.u32());
        Htb {
            rate2quantum,
            default,
            debug,
            direct_qlen,
            offload,
            direct_packets,
        }
    }))
}

pub(super) fn write_class(class: &HtbClass, out: &mut Out<'_>) {
    if class.rate.bytes_per_second >= WIDE {
        out.u64(6, class.rate.bytes_per_second);
    }
    if class.ceil.bytes_per_second >= WIDE {
        out.u64(7, class.ceil.bytes_per_second);
    }
    let [buffer, cbuffer] = [class.buffer, class.cbuffer].map(u32::to_le_bytes);
    let rest = [class.quantum, class.level, class.prio].map(u32::to_le_bytes);
    let (rate, ceil) = (spec(&class.rate), spec(&class.ceil));
    out.gather(1, &[&rate, &ceil, &buffer, &cbuffer, rest.as_flattened()]);
}

/// The options of an HTB class; `None` where there is no `TCA_HTB_PARMS`.
pub(super) fn read_class(attrs: Attrs<'_>) -> Result<Option<HtbClass>, DecodeError> {
    let (mut parms, mut rate64, mut ceil64) = (None, 0, 0);
    for attr in attrs {
        let attr = attr?;
        match attr.kind {
            1 => parms = Some(attr.array::<44>()?),
            6 => rate64 = attr.u64()?,
            7 => ceil64 = attr.u64()?,
            _ => {}
        }
    }
    Ok(parms.map(|bytes| {
        let mut fields = Fields(&bytes);
        let (mut rate, mut ceil) = (read_spec(&mut fields), read_spec(&mut fields));
        rate.bytes_per_second = rate.bytes_per_second.max(rate64);
        ceil.bytes_per_second = ceil.bytes_per_second.max(ceil64);
        let (buffer, cbuffer, quantum) = (fields.u32(), fields.u32(), fields.u32());
        let (level, prio) = (fields.u32(), fields.u32());
        HtbClass {
            rate,
            ceil,
            buffer,
            cbuffer,
            quantum,
            prio,
            level,
        }
    }))
}

pub(super) fn write_tbf(tbf: &Tbf, out: &mut Out<'_>) {
    let rest = [tbf.limit, tbf.buffer, tbf.mtu].map(u32::to_le_bytes);
    out.gather(
        1,
        &[&spec(&tbf.rate), &spec(&tbf.peak), rest.as_flattened()],
    );
    if let Some(burst) = tbf.burst {
        out.u32(6, burst);
    }
    if tbf.rate.bytes_per_second >= WIDE {
        out.u64(4, tbf.rate.bytes_per_second);
    }
    if tbf.peak.bytes_per_second >= WIDE {
        out.u64(5, tbf.peak.bytes_per_second);
    }
    if let Some(burst) = tbf.pburst {
        out.u32(7, burst);
    }
}

/// The options of a TBF qdisc; `None` where there is no `TCA_TBF_PARMS`.
pub(super) fn read_tbf(attrs: Attrs<'_>) -> Result<Option<Tbf>, DecodeError> {
    let (mut parms, mut rate64, mut peak64) = (None, 0, 0);
    let (mut burst, mut pburst) = (None, None);
    for attr in attrs {
        let attr = attr?;
        match attr.kind {
            1 => parms = Some(attr.array::<36>()?),
            4 => rate64 = attr.u64()?,
            5 => peak64 = attr.u64()?,
            6 => burst = Some(attr.u32()?),
            7 => pburst = Some(attr.u32()?),
            _ => {}
        }
    }
    Ok(parms.map(|bytes| {
        let mut fields = Fields(&bytes);
        let (mut rate, mut peak) = (read_spec(&mut fields), read_spec(&mut fields));
        rate.bytes_per_second = rate.bytes_per_second.max(rate64);
        peak.bytes_per_second = peak.bytes_per_second.max(peak64);
        let (limit, buffer, mtu) = (fields.u32(), fields.u32(), fields.u32());
        Tbf {
            rate,
            peak,
            limit,
            buffer,
            mtu,
            burst,
            pburst,
        }
    }))
}

/// `fq_codel`'s attributes in the order tc sends them, with their numbers.
fn fq_codel_fields(f: &FqCodel) -> [(u16, Option<u32>); 9] {
    [
        (2, f.limit),
        (5, f.flows),
        (6, f.quantum),
        (3, f.interval),
        (1, f.target),
        (4, f.ecn),
        (7, f.ce_threshold),
        (9, f.memory_limit),
        (8, f.drop_batch),
    ]
}

pub(super) fn write_fq_codel(f: &FqCodel, out: &mut Out<'_>) {
    for (kind, value) in fq_codel_fields(f) {
        if kind == 9 {
            // The selector's two bytes come between the threshold and the memory limit.
            if let Some(mask) = f.ce_threshold_mask {
                out.attr(11, &[mask]);
            }
            if let Some(selector) = f.ce_threshold_selector {
                out.attr(10, &[selector]);
            }
        }
        if let Some(value) = value {
            out.u32(kind, value);
        }
    }
}

pub(super) fn read_fq_codel(attrs: Attrs<'_>) -> Result<FqCodel, DecodeError> {
    let mut f = FqCodel::default();
    for attr in attrs {
        let attr: Attr<'_> = attr?;
        let place = match attr.kind {
            1 => &mut f.target,
            2 => &mut f.limit,
            3 => &mut f.interval,
            4 => &mut f.ecn,
            5 => &mut f.flows,
            6 => &mut f.quantum,
            7 => &mut f.ce_threshold,
            8 => &mut f.drop_batch,
            9 => &mut f.memory_limit,
            10 => {
                f.ce_threshold_selector = Some(attr.u8()?);
                continue;
            }
            11 => {
                f.ce_threshold_mask = Some(attr.u8()?);
                continue;
            }
            _ => continue,
        };
        *place = Some(attr.u32()?);
    }
    Ok(f)
}
