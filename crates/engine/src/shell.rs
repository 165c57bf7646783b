//! Text as a POSIX shell reads it.

/// A text as one word of a POSIX shell.
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_survives_a_real_shell() {
        for text in ["", "a b", "it's", "$HOME `x` \"y\" \\", "é\n名", "-n"] {
            let out =
                std::process::Command::new("/bin/sh").args(["-c", &format!("printf %s {}", quote(text))]).output();
            assert_eq!(String::from_utf8(out.unwrap().stdout).unwrap(), text);
        }
    }
}
