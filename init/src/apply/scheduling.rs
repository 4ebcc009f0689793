//! How the kernel is to treat the container's process.

use super::Applier;
use crate::abi::scheduling::MEMORY_POLICY_FLAGS_SHIFT;
use crate::config::spec::{IoPriority, MemoryPolicy, Personality, Scheduler};
use crate::sys::Result;
use crate::sys::scheduling::{self, Attributes};

impl Applier<'_, '_> {
    pub(super) fn set_scheduler(&self, wanted: &Scheduler) -> Result<()> {
        let mut attributes = Attributes::default();
        attributes.policy = wanted.policy.into();
        attributes.flags = wanted.flags.0.into();
        // The plan has seen that both are small.
        attributes.nice = wanted.nice.unwrap_or(0) as i32;
        attributes.priority = wanted.priority.unwrap_or(0) as u32;
        attributes.runtime = wanted.runtime;
        attributes.deadline = wanted.deadline;
        attributes.period = wanted.period;
        scheduling::set_scheduler(self.process()?, &attributes)
    }

    pub(super) fn set_io_priority(&self, wanted: &IoPriority) -> Result<()> {
        scheduling::set_io_priority(self.process()?, u32::from(wanted.class) + 1, wanted.priority as u32)
    }
}

pub(super) fn set_memory_policy(policy: &MemoryPolicy, nodes: &[u64]) -> Result<()> {
    let flags = policy.flags.0.wrapping_shl(MEMORY_POLICY_FLAGS_SHIFT);
    scheduling::set_memory_policy(flags | u32::from(policy.mode), nodes)
}

pub(super) fn set_personality(wanted: &Personality) -> Result<()> {
    scheduling::set_personality(u32::from(wanted.domain) * 8)
}
