//! Objectives in order: one unit of an earlier one outweighs all that the later ones can come to.

use super::Model;
use super::build::ModelBuilder;
use super::build::{Worst, worst_cost};
use super::error::ModelError;

/// A part of the cost that can stand before others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Objective {
    /// Use above safety capacity.
    Load,
    /// Free resources out of proportion.
    Balance,
    /// All costs of moving.
    Moves,
}

impl ModelBuilder {
    /// Puts objectives in order, the most important first: of two assignments the one that is better in an
    /// earlier objective is cheaper, whatever the later ones say. Objectives that are not named come last, with
    /// the weights they have. Done by multiplying the weights given so far, so it comes after them and after
    /// all nodes and tasks; costs are then in multiplied units.
    ///
    /// # Errors
    /// A model whose costs would no longer fit; an objective named twice. Nothing has changed then.
    pub fn order_objectives(&mut self, first_to_last: &[Objective]) -> Result<(), ModelError> {
        let mut changed = self.model().clone();
        for (i, objective) in first_to_last.iter().enumerate() {
            if first_to_last.iter().take(i).any(|o| o == objective) {
                let (given, want) = (*objective as i128, "each objective once");
                let (kind, field) = ("order of objectives", "objective");
                return Err(ModelError::Range {
                    kind,
                    index: i,
                    field,
                    given,
                    want,
                });
            }
        }
        for (i, objective) in first_to_last.iter().enumerate().rev() {
            let before = first_to_last.get(..i).unwrap_or(&[]);
            let worst = worst_cost(&changed);
            // What is not yet dealt with stands before and does not count.
            let later = [Objective::Load, Objective::Balance, Objective::Moves];
            let later = later
                .iter()
                .filter(|o| *o != objective && !before.contains(o));
            let sum: i128 = later.map(|o| worst.of(*o)).fold(0, i128::saturating_add);
            multiply(&mut changed, *objective, sum.saturating_add(1))?;
        }
        super::build::affordable(&changed)?;
        *self.model_mut() = changed;
        Ok(())
    }
}

impl Worst {
    fn of(&self, objective: Objective) -> i128 {
        match objective {
            Objective::Load => self.load,
            Objective::Balance => self.balance,
            Objective::Moves => self.moves,
        }
    }
}

fn multiply(model: &mut Model, objective: Objective, by: i128) -> Result<(), ModelError> {
    let limit = super::build::COST_LIMIT;
    let times = |weight: &mut i64| -> Result<(), ModelError> {
        let given = i128::from(*weight).saturating_mul(by);
        *weight = i64::try_from(given).map_err(|_| ModelError::TooCostly { given, limit })?;
        Ok(())
    };
    match objective {
        Objective::Load => model.load_weight.iter_mut().try_for_each(times),
        Objective::Balance => model
            .balances
            .iter_mut()
            .map(|b| &mut b.weight)
            .try_for_each(times),
        Objective::Moves => {
            let w = &mut model.weights;
            let all = [&mut w.task_move, &mut w.service_move, &mut w.node_move];
            all.into_iter().try_for_each(times)
        }
    }
}
