//! The broker and the PostgreSQL that work for a server: found by the ports where they listen, for they are not children of
//! this process.

use std::{fs, time::Duration};

use crate::{Failure, process::Stat};

/// How the kernel names a socket that listens.
const LISTENS: &str = "0A";

/// Processes on this machine that keep what a server writes.
#[derive(Debug, Default)]
pub(crate) struct Keepers(Vec<u32>);

impl Keepers {
    /// Who listens at these addresses: lists of `host:port`, or the URL of a database.
    pub(crate) fn at(addresses: &[&str]) -> Result<Self, Failure> {
        let ports = addresses.iter().flat_map(|address| address.split(','));
        Ok(Self(ports.map(|address| listener(port(address)?)).collect::<Result<_, _>>()?))
    }

    /// The seconds of processors that they have used, with all their children, those that have ended too.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        let mut cpu = Duration::ZERO;
        for keeper in &self.0 {
            let stat = Stat::of(*keeper)?;
            cpu += stat.own + stat.of_ended_children;
        }
        // One that ends meanwhile is counted by its parent the next time.
        let children = processes()?.into_iter().filter_map(|id| Stat::of(id).ok());
        let children = children.filter(|child| self.0.contains(&child.parent));
        Ok(cpu + children.map(|child| child.own).sum::<Duration>())
    }
}

/// The port of an address.
fn port(address: &str) -> Result<u16, Failure> {
    let place = address.split_once("://").map_or(address, |(_scheme, rest)| rest);
    let place = place.split('/').next().unwrap_or_default();
    let port = place.rsplit_once(':').ok_or_else(|| format!("{address} names no port"))?.1;
    Ok(port.parse()?)
}

/// The process that listens at a port; of several that share it the parent.
fn listener(port: u16) -> Result<u32, Failure> {
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(table) = fs::read_to_string(table) else { continue };
        sockets.extend(table.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let here = fields.get(1)?.rsplit_once(':')?.1;
            let is_it = fields.get(3) == Some(&LISTENS) && u16::from_str_radix(here, 16) == Ok(port);
            is_it.then(|| Some(format!("socket:[{}]", fields.get(9)?)))?
        }));
    }
    let holds = |id: &u32| {
        let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        let mut links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
    };
    let holders: Vec<u32> = processes()?.into_iter().filter(holds).collect();
    let parent = |id: &u32| Stat::of(*id).is_ok_and(|stat| !holders.contains(&stat.parent));
    let found = holders.iter().copied().find(parent);
    found.ok_or_else(|| format!("nobody on this machine listens at port {port}").into())
}

fn processes() -> Result<Vec<u32>, Failure> {
    let entries = fs::read_dir("/proc")?.flatten();
    Ok(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_at_a_port_is_found() {
        let here = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = here.local_addr().unwrap().port();
        assert_eq!(listener(port).unwrap(), std::process::id());
        let keepers = Keepers::at(&[&format!("postgres://tidings@127.0.0.1:{port}/postgres")]).unwrap();
        assert_eq!(keepers.0, [std::process::id()]);
        drop(here);
        assert!(listener(port).is_err());
    }
}
