//! A small SOCKS5 proxy (RFC 1928) that finds every host on this machine.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A proxy that runs until the test ends.
pub struct Socks {
    port: u16,
    served: Arc<AtomicUsize>,
}

impl Socks {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let served = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                std::thread::spawn(move || serve(stream, &count));
            }
        });
        Self { port, served }
    }

    /// Its address as variables name it; hosts are looked up by the proxy.
    pub fn address(&self) -> String {
        format!("socks5h://127.0.0.1:{}", self.port)
    }

    /// How many connections went through it.
    pub fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

fn serve(mut client: TcpStream, served: &AtomicUsize) -> io::Result<()> {
    let mut head = [0; 2];
    client.read_exact(&mut head)?;
    let mut methods = vec![0; usize::from(head[1])];
    client.read_exact(&mut methods)?;
    // No authentication.
    client.write_all(&[5, 0])?;
    let mut request = [0; 5];
    client.read_exact(&mut request)?;
    // CONNECT to a name; whatever it is, it is here.
    let (5, 1, 3) = (request[0], request[1], request[3]) else {
        return client.write_all(&[5, 7, 0, 1, 0, 0, 0, 0, 0, 0]);
    };
    let mut name = vec![0; usize::from(request[4]) + 2];
    client.read_exact(&mut name)?;
    let port = u16::from_be_bytes([name[name.len() - 2], name[name.len() - 1]]);
    let server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    served.fetch_add(1, Ordering::SeqCst);
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    let _ = io::copy(&mut from_server, &mut to_client);
    to_client.shutdown(Shutdown::Write)
}
