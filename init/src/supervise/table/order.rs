//! Who waits for whom. The surveyor has seen to it that nobody waits for himself, however long the way.

use super::slot::{Slot, Stage};
use super::{Note, Table};
use crate::limits;

/// "This container waits for that one."
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// The one that waits.
    pub slot: u16,
    /// The other.
    pub on: u16,
    /// Whether it is not even started if the other has failed.
    pub requires: bool,
}

impl Edge {
    /// A free place. All zeros, so that a list of them is `.bss`.
    pub const NONE: Edge = Edge { slot: 0, on: 0, requires: false };
}

const _: () = assert!(limits::CONTAINERS_MAX <= u16::MAX as usize);

/// Finds one circle of containers that wait for each other, among those that are not `settled`: calls `each` with all of
/// them in their order, the first one again at the end, and settles them. What waits for nobody else is settled as well.
pub fn cycle(edges: &[Edge], settled: &mut [bool; limits::CONTAINERS_MAX], each: &mut dyn FnMut(u16)) {
    let waits = |settled: &[bool], edge: &&Edge| settled.get(usize::from(edge.on)) == Some(&false);
    loop {
        let mut blocked = [false; limits::CONTAINERS_MAX];
        for edge in edges.iter().filter(|edge| waits(settled, edge)) {
            if let Some(blocked) = blocked.get_mut(usize::from(edge.slot)) {
                *blocked = true;
            }
        }
        let mut more = false;
        for (settled, blocked) in settled.iter_mut().zip(blocked) {
            more |= !*settled && !blocked;
            *settled |= !blocked;
        }
        if !more {
            break;
        }
    }
    // Whoever is left waits for one that is left: the way leads into a circle, after as many steps as there are containers
    // at the latest.
    let Some(first) = settled.iter().position(|settled| !settled) else { return };
    let next = |settled: &[bool], at| {
        edges.iter().find(|edge| edge.slot == at && waits(settled, edge)).map_or(at, |edge| edge.on)
    };
    let mut at = first as u16;
    for _ in 0..limits::CONTAINERS_MAX {
        at = next(settled, at);
    }
    // It is told from its first container on, in the order of the table.
    let mut begin = at;
    for _ in 0..limits::CONTAINERS_MAX {
        at = next(settled, at);
        begin = begin.min(at);
    }
    at = begin;
    let mut circle = [false; limits::CONTAINERS_MAX];
    loop {
        each(at);
        if let Some(inside) = circle.get_mut(usize::from(at)) {
            *inside = true;
        }
        at = next(settled, at);
        if at == begin {
            break;
        }
    }
    for (settled, inside) in settled.iter_mut().zip(circle) {
        *settled |= inside;
    }
    each(begin);
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(pairs: &[(u16, u16)]) -> Vec<Vec<u16>> {
        let edges: Vec<_> = pairs.iter().map(|(slot, on)| Edge { slot: *slot, on: *on, requires: false }).collect();
        let mut settled = [false; limits::CONTAINERS_MAX];
        let mut all = Vec::new();
        loop {
            let mut found = Vec::new();
            cycle(&edges, &mut settled, &mut |slot| found.push(slot));
            if found.is_empty() {
                return all;
            }
            all.push(found);
        }
    }

    #[test]
    fn circles_are_found_each_once_and_those_that_lead_into_one_are_not_in_it() {
        assert_eq!(cycles(&[]), [[0; 0]; 0]);
        assert_eq!(cycles(&[(0, 1), (1, 2), (0, 2), (3, 0)]), [[0; 0]; 0]);
        assert_eq!(cycles(&[(4, 4)]), [[4, 4]]);
        assert_eq!(cycles(&[(0, 1), (1, 2), (2, 1), (5, 0)]), [[1, 2, 1]]);
        assert_eq!(cycles(&[(7, 8), (8, 9), (9, 7), (1, 7)]), [[7, 8, 9, 7]]);
        assert_eq!(cycles(&[(1, 2), (2, 1), (3, 4), (4, 3), (3, 1)]), [[1, 2, 1], [3, 4, 3]]);
        let long: Vec<_> = (0..1024).map(|slot| (slot, (slot + 1) % 1024)).collect();
        assert_eq!(cycles(&long)[0].len(), 1025);
    }
}
