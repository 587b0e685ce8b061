//! Colours, few and sober, for a terminal whose user has not said no. What they say stands in words too.

use super::Out;

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ctl) enum Colour {
    /// It is as it should be.
    Good,
    /// Somebody should look at it.
    Warning,
    /// It does not work, or was refused.
    Bad,
    /// It matters less.
    Faint,
    /// It stands above the rest.
    Head,
}

impl Colour {
    /// What turns a terminal to it.
    const fn begin(self) -> &'static str {
        match self {
            Self::Good => "\u{1b}[32m",
            Self::Warning => "\u{1b}[33m",
            Self::Bad => "\u{1b}[1;31m",
            Self::Faint => "\u{1b}[2m",
            Self::Head => "\u{1b}[1m",
        }
    }
}

/// What turns it back.
const END: &str = "\u{1b}[0m";

impl Out<'_> {
    /// The text in this colour, where there are colours. It has to be harmless by itself.
    pub(in crate::ctl) fn coloured(&self, colour: Colour, text: &str) -> String {
        if self.colour { format!("{}{text}{END}", colour.begin()) } else { text.to_owned() }
    }
}
