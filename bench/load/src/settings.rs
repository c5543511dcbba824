//! The command line.

use std::{collections::HashMap, io};

/// The numbers of the command line by name: `<key>=<number>` each.
pub(crate) struct Settings(HashMap<String, u64>);

impl Settings {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> io::Result<Self> {
        let pair = |text: &str| {
            let (key, number) = text.split_once('=')?;
            Some((key.to_owned(), number.parse().ok()?))
        };
        arguments
            .map(|text| {
                pair(&text)
                    .ok_or_else(|| io::Error::other(format!("'{text}' is no <key>=<number>")))
            })
            .collect::<io::Result<_>>()
            .map(Self)
    }

    pub(crate) fn get(&self, key: &str) -> io::Result<u64> {
        let number = self.0.get(key).copied();
        number.ok_or_else(|| io::Error::other(format!("{key}=<number> is missing")))
    }

    pub(crate) fn count(&self, key: &str) -> io::Result<usize> {
        self.get(key).map(|number| number as usize)
    }

    /// A port: from 0, which is any, to 65,535.
    pub(crate) fn port(&self) -> io::Result<u16> {
        u16::try_from(self.get("port")?).map_err(|_| io::Error::other("port=<number> is no port"))
    }
}
