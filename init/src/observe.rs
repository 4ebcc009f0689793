//! Kernel state to `Facts`: read only.
