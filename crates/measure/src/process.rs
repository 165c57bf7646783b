//! Single processes and their trees, as `/proc` tells of them.
