//! Who waits for whom. The surveyor has seen to it that nobody waits for himself, however long the way.

use super::slot::{Slot, Stage};
use super::{Note, Table};
use crate::limits;

/// "This container waits for that one."
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    slot: u16,
    on: u16,
    /// Whether it is not even started if that one has failed.
    requires: bool,
}

impl Edge {
    /// A free place. All zeros, so that a list of them is `.bss`.
    pub const NONE: Edge = Edge { slot: 0, on: 0, requires: false };
}

const _: () = assert!(limits::CONTAINERS_MAX <= u16::MAX as usize);

impl Table<'_> {
    /// Has `slot` wait for `on`. `false`: there is no room, or no such container.
    pub(super) fn order(&mut self, slot: u16, on: u16, requires: bool) -> bool {
        let waits = self.slot(on).is_some_and(|on| !on.released);
        let Some(waiting) = self.get(slot) else { return false };
        waiting.waits += u16::from(waits);
        match self.edges.get_mut(self.edge_count) {
            Some(free) => *free = Edge { slot, on, requires },
            None => return false,
        }
        self.edge_count += 1;
        true
    }

    fn edges(&self) -> &[Edge] {
        self.edges.get(..self.edge_count).unwrap_or(&[])
    }

    /// Lets those go on that wait for a container which is ready, or over.
    pub(super) fn release(&mut self, index: u16) {
        match self.get(index) {
            Some(slot) if !slot.released => slot.released = true,
            _ => return,
        }
        for place in 0..self.edge_count {
            if let Some(edge) = self.edges().get(place).copied()
                && edge.on == index
                && let Some(waiting) = self.get(edge.slot)
            {
                waiting.waits = waiting.waits.saturating_sub(1);
            }
        }
    }

    /// The first container that waits for nobody any more, and is to be started.
    pub(super) fn startable(&self) -> Option<u16> {
        self.first(&|slot: &Slot| slot.stage == Stage::Waiting && slot.waits == 0)
    }

    /// What a container requires that has failed for good, if it does.
    pub(super) fn missing(&self, index: u16) -> Option<Note> {
        let failed =
            |edge: &&Edge| edge.slot == index && edge.requires && self.slot(edge.on).is_some_and(|on| on.failed);
        self.edges().iter().find(failed).map(|edge| Note::Lacks(index, edge.on))
    }
}
