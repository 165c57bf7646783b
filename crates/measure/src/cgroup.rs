//! Memory control groups, version 1 and 2: makes them, reads what they used, sets limits; decides nothing.
