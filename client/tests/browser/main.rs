//! The example app in a real browser: what its user sees and clicks.
//!
//! `HALLPASS_CHROMIUM` names the browser, which `chromedriver` beside it drives; without it nothing is tested here.
#![cfg(test)]

#[path = "../../examples/console/app/mod.rs"]
mod app;
mod crossing;
mod driver;
mod ending;
mod entering;
mod looking;
mod proxied;
mod site;

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const NEW_PASSWORD: &str = "another horse battery staple";
/// A desktop's page, and a phone's.
pub(crate) const DESKTOP: (u32, u32) = (1280, 800);
pub(crate) const PHONE: (u32, u32) = (375, 720);
