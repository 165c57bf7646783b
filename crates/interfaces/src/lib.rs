//! Boutiques descriptors.
