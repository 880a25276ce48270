//! The guard: which addresses are called. A name is looked up once, all its addresses are checked, and what was checked
//! is connected to: a name that means another address a moment later leads nowhere else.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    str::FromStr,
    sync::Arc,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

/// Networks that lead to nobody on the internet: this machine, private ones, shared ones (CGNAT), link-local, reserved
/// for protocols, examples and measurements, 6to4 relays, multicast, and what is for later.
const NOT_PUBLIC: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];
/// All that is public in IPv6 lies in here …
const PUBLIC_6: ([u16; 8], u8) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// … but for what is reserved for protocols (Teredo among them), for examples, and 6to4, which holds an IPv4 address.
const NOT_PUBLIC_6: [([u16; 8], u8); 4] = [
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0x0db8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    first: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address and the length of its prefix, such as 10.1.0.0/16")]
pub(crate) struct NotANetwork;

impl Network {
    const fn v4((octets, prefix): ([u8; 4], u8)) -> Self {
        Self { first: IpAddr::V4(Ipv4Addr::from_octets(octets)), prefix }
    }

    const fn v6((segments, prefix): ([u16; 8], u8)) -> Self {
        Self { first: IpAddr::V6(Ipv6Addr::from_segments(segments)), prefix }
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differs = u32::from(first) ^ u32::from(address);
                differs.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differs = u128::from(first) ^ u128::from(address);
                differs.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').ok_or(NotANetwork)?;
        let first: IpAddr = address.parse().map_err(|_cause| NotANetwork)?;
        let prefix: u8 = prefix.parse().map_err(|_cause| NotANetwork)?;
        let longest = if first.is_ipv4() { 32 } else { 128 };
        if prefix <= longest { Ok(Self { first, prefix }) } else { Err(NotANetwork) }
    }
}

/// An address that is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is private, and the settings do not name its network.
    #[error(
        "leads to {0}, which is no public address: name its network in webhook.allowed_networks if that is meant"
    )]
    Private(IpAddr),
    /// It is public, and what is said to it could be read on the way.
    #[error(
        "leads to {0} without TLS: begin it with https://, or name its network in webhook.allowed_networks"
    )]
    Plain(IpAddr),
}

/// Says which addresses are called.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Networks of which all addresses are.
    pub(crate) networks: Arc<[Network]>,
    /// Whether it is without TLS: then no others are.
    pub(crate) is_plain: bool,
}

impl Guard {
    /// Whether an address is called.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Refused> {
        // An IPv4 address in the clothes of IPv6 is that IPv4 address.
        let address = address.to_canonical();
        if self.networks.iter().any(|network| network.contains(address)) {
            Ok(())
        } else if !is_public(address) {
            Err(Refused::Private(address))
        } else if self.is_plain {
            Err(Refused::Plain(address))
        } else {
            Ok(())
        }
    }

    async fn look_up(self, name: String) -> io::Result<Vec<SocketAddr>> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
        // A name that leads to a private address beside a public one is not to be trusted with either.
        for address in &found {
            self.check(address.ip()).map_err(|refused| io::Error::other(format!("`{name}` {refused}")))?;
        }
        Ok(found)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => !NOT_PUBLIC.into_iter().map(Network::v4).any(|network| network.contains(address)),
        IpAddr::V6(_) => {
            Network::v6(PUBLIC_6).contains(address)
                && !NOT_PUBLIC_6.into_iter().map(Network::v6).any(|network| network.contains(address))
        }
    }
}

impl Service<Name> for Guard {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let looked_up = self.clone().look_up(name.as_str().to_owned());
        Box::pin(async move { Ok(looked_up.await?.into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(networks: &[&str], is_plain: bool) -> Guard {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        Guard { networks, is_plain }
    }

    #[test]
    fn only_what_is_public_is_called() {
        let open = guard(&[], false);
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "100::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
        ] {
            assert!(open.check(refused.parse().unwrap()).is_err(), "{refused}");
        }
        for called in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2606:4700::1111",
            "2a00:1450:4001::200e",
        ] {
            assert_eq!(open.check(called.parse().unwrap()), Ok(()), "{called}");
        }
    }

    #[test]
    fn a_network_that_is_allowed_is_called_and_nothing_beside_it() {
        let inside = guard(&["10.1.0.0/16", "fd00:1::/32"], false);
        for called in ["10.1.255.1", "::ffff:10.1.0.1", "fd00:1::9", "1.1.1.1"] {
            assert_eq!(inside.check(called.parse().unwrap()), Ok(()), "{called}");
        }
        for refused in ["10.2.0.1", "127.0.0.1", "fd00:2::9"] {
            assert!(inside.check(refused.parse().unwrap()).is_err(), "{refused}");
        }
        let plain = guard(&["10.1.0.0/16"], true);
        assert_eq!(plain.check("10.1.0.1".parse().unwrap()), Ok(()));
        let public = "1.1.1.1".parse().unwrap();
        assert_eq!(plain.check(public), Err(Refused::Plain(public)));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["10.0.0.0", "10.0.0.0/33", "::/129", "ten/8", "10.0.0.0/-1", ""] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_and_a_number_that_means_it_are_refused() {
        for name in ["localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"] {
            let found = guard(&[], false).look_up(name.to_owned()).await;
            assert!(found.as_ref().is_err() || found.as_ref().is_ok_and(Vec::is_empty), "{name}: {found:?}");
        }
        assert!(
            !guard(&["127.0.0.0/8", "::1/128"], true)
                .look_up("localhost".to_owned())
                .await
                .unwrap()
                .is_empty()
        );
    }
}
