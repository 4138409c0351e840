//! Models and assignments from text, and back.

use super::ReadError;
use super::tokens::Tokens;
use crate::model::{
    Balance, Model, ModelBuilder, ModelError, Node, NodeId, Resource, Service, ServiceId, Task,
    Weights,
};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

/// Amounts and costs are at most this: far above the format's 32 bits, and such that sums are checked
/// only once, when the model is built.
const AMOUNT: u64 = 1 << 40;

/// Reads a model. Memory is bounded by the file's length.
///
/// # Errors
/// The first number that is missing, malformed or out of range, with its position; anything after the last
/// one; a model whose costs could overflow.
///
/// ```
/// use scheduler_core::roadef::{read_assignment, read_model};
/// use scheduler_core::{NodeId, Placement};
///
/// // One resource, two machines, two services of one process each.
/// let model = read_model(b"1\n0 1\n2\n0 0 8 6 0 1\n0 1 8 6 1 0\n2\n0 0\n0 0\n2\n0 4 1\n1 4 1\n0\n1 1 1\n")?;
/// let at = read_assignment(&model, b"0 1")?;
/// assert_eq!(Placement::new(&model, &at)?.cost(&model), 0);
/// let error = read_model(b"1\n0 x").unwrap_err();
/// assert!(error.to_string().contains("line 2"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_model(text: &[u8]) -> Result<Model, ReadError> {
    let mut t = Tokens::new(text);
    let mut resources = Vec::new();
    for _ in 0..t.index(4096, "the number of resources")? {
        let transient = t.number(1, "whether the resource is transient")? == 1;
        let load_weight = t.number(AMOUNT, "the weight of the resource's load cost")?;
        resources.push(Resource {
            transient,
            load_weight,
        });
    }
    let mut b = refused(&t, ModelBuilder::new(&resources))?;
    nodes(&mut t, &mut b, resources.len())?;
    let services = services(&mut t, &mut b)?;
    let mut need = vec![0; resources.len()];
    for _ in 0..t.index(usize::MAX, "the number of processes")? {
        let service = t.index(services.saturating_sub(1), "the process's service")?;
        if services == 0 {
            return Err(t.error_here("no process, since there is no service"));
        }
        for amount in &mut need {
            *amount = t.number(AMOUNT, "a requirement of the process")?;
        }
        let move_cost = t.number(AMOUNT, "the process's move cost")?;
        let service = ServiceId(service as u32);
        let added = b.task(Task {
            service,
            need: &need,
            move_cost,
        });
        refused(&t, added)?;
    }
    for _ in 0..t.index(usize::MAX, "the number of balance objectives")? {
        let last = resources.len().saturating_sub(1);
        let first = t.index(last, "the first resource of a balance objective")?;
        let second = t.index(last, "the second resource of a balance objective")?;
        let target = t.number(AMOUNT, "the balance target")? as i64;
        let weight = t.number(AMOUNT, "the weight of the balance objective")? as i64;
        let added = b.balance(Balance {
            first,
            second,
            target,
            weight,
        });
        refused(&t, added)?;
    }
    let mut weight = |want| t.number(AMOUNT, want).map(|w| w as i64);
    let task_move = weight("the weight of process moves")?;
    let service_move = weight("the weight of service moves")?;
    let node_move = weight("the weight of machine moves")?;
    refused(
        &t,
        b.weights(Weights {
            task_move,
            service_move,
            node_move,
        }),
    )?;
    t.end()?;
    refused(&t, b.build())
}

fn nodes(t: &mut Tokens<'_>, b: &mut ModelBuilder, width: usize) -> Result<(), ReadError> {
    let count = t.index(usize::MAX, "the number of machines")?;
    // Each machine has a row of move costs, so the file itself must be this long.
    if count.saturating_mul(count) > t.at_most() {
        return Err(t.error_here("as many machines as the file has rows for"));
    }
    let mut travel = Vec::with_capacity(count * count);
    let (mut capacity, mut safety) = (vec![0; width], vec![0; width]);
    for _ in 0..count {
        let neighbourhood = t.number(AMOUNT, "the machine's neighbourhood")?;
        let location = t.number(AMOUNT, "the machine's location")?;
        for amount in &mut capacity {
            *amount = t.number(AMOUNT, "a capacity of the machine")?;
        }
        for amount in &mut safety {
            *amount = t.number(AMOUNT, "a safety capacity of the machine")?;
        }
        let node = Node {
            location,
            neighbourhood,
            capacity: &capacity,
            safety: &safety,
        };
        refused(t, b.node(node))?;
        for _ in 0..count {
            let cost = t.number(u64::from(u32::MAX), "a cost of moving to a machine")?;
            travel.push(cost as u32);
        }
    }
    refused(t, b.node_move_costs(travel))
}

fn services(t: &mut Tokens<'_>, b: &mut ModelBuilder) -> Result<usize, ReadError> {
    let count = t.index(usize::MAX, "the number of services")?;
    for s in 0..count {
        let spread = t.index(usize::MAX, "the service's least spread")? as u32;
        let service = refused(
            t,
            b.service(Service {
                spread,
                per_node: 1,
            }),
        )?;
        for _ in 0..t.index(usize::MAX, "the number of dependencies")? {
            let on = t.index(count - 1, &format!("a service that service {s} depends on"))?;
            b.depends(service, ServiceId(on as u32));
        }
    }
    Ok(count)
}

/// A builder's refusal at the place that was read last.
fn refused<T>(t: &Tokens<'_>, result: Result<T, ModelError>) -> Result<T, ReadError> {
    result.map_err(|error| t.error_here(&format!("a valid model ({error})")))
}

/// Reads one node for each task of the model.
///
/// # Errors
/// The first entry that is missing, malformed or names no node, with its position; anything after the last.
pub fn read_assignment(model: &Model, text: &[u8]) -> Result<Vec<NodeId>, ReadError> {
    let mut t = Tokens::new(text);
    let last = model.nodes().saturating_sub(1);
    let mut nodes = Vec::with_capacity(model.tasks().min(t.at_most()));
    for task in 0..model.tasks() {
        let node = t.index(last, &format!("the machine of process {task}"))?;
        nodes.push(NodeId(node as u32));
    }
    t.end()?;
    if model.nodes() == 0 && model.tasks() > 0 {
        return Err(t.error_here("no process, since there is no machine"));
    }
    Ok(nodes)
}

/// An assignment as text: one line, numbers separated by blanks.
#[must_use]
pub fn write_assignment(assignment: &[NodeId]) -> String {
    let mut out = String::with_capacity(assignment.len() * 4);
    for (i, node) in assignment.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(&node.0.to_string());
    }
    out.push('\n');
    out
}
