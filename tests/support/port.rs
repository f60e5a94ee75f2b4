//! Ports for servers that a test starts.

use std::net::{Ipv4Addr, TcpListener};

/// A port of the loopback address that nobody listens on: free a moment ago, and free now but for bad luck.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("it has an address").port()
}
