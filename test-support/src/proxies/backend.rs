//! Backends behind proxies.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Those that are open, by a number.
type Connections = Arc<Mutex<HashMap<u64, TcpStream>>>;

/// An HTTP server that answers its own port.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    ends: Arc<AtomicBool>,
    well: Arc<AtomicBool>,
    slow: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    connections: Connections,
}

impl Backend {
    /// On a free port.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn start() -> Self {
        Self::on(0)
    }

    /// On this port.
    ///
    /// # Panics
    /// When it is taken.
    #[must_use]
    pub fn on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let backend = Self {
            address: listener.local_addr().expect("an address"),
            ends: Arc::default(),
            well: Arc::new(AtomicBool::new(true)),
            slow: Arc::default(),
            served: Arc::default(),
            connections: Arc::default(),
        };
        let (ends, well, served) = (
            Arc::clone(&backend.ends),
            Arc::clone(&backend.well),
            Arc::clone(&backend.served),
        );
        let (slow, connections) = (Arc::clone(&backend.slow), Arc::clone(&backend.connections));
        std::thread::spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming()) {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else {
                    continue;
                };
                if let (Ok(mut all), Ok(same)) = (connections.lock(), stream.try_clone()) {
                    all.insert(number, same);
                }
                let (well, served) = (Arc::clone(&well), Arc::clone(&served));
                let (slow, connections) = (Arc::clone(&slow), Arc::clone(&connections));
                std::thread::spawn(move || {
                    serve(stream, &well, &slow, &served);
                    let _ = connections.lock().map(|mut all| all.remove(&number));
                });
            }
        });
        backend
    }

    /// Whether checks are answered with 200 or with 503; requests always are with 200.
    pub fn is_well(&self, well: bool) {
        self.well.store(well, Ordering::SeqCst);
    }

    /// Whether checks are answered late, by two seconds; requests never are.
    pub fn is_slow(&self, slow: bool) {
        self.slow.store(slow, Ordering::SeqCst);
    }

    /// Requests that were not checks.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    /// As a process that is killed: its connections end too.
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        for stream in self.connections.lock().iter().flat_map(|all| all.values()) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes whoever accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, well: &AtomicBool, slow: &AtomicBool, served: &AtomicU64) {
    let port = stream.local_addr().map_or(0, |address| address.port());
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut head = Vec::new();
    let mut bytes = [0; 2048];
    loop {
        match stream.read(&mut bytes) {
            Ok(read @ 1..) => head.extend_from_slice(&bytes[..read]),
            _ => return,
        }
        if !head.windows(4).any(|end| end == b"\r\n\r\n") {
            continue;
        }
        let checks = head.starts_with(b"GET /health");
        let status = match checks && !well.load(Ordering::SeqCst) {
            true => "503 Not Well",
            false => "200 OK",
        };
        if checks && slow.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_secs(2));
        }
        if !checks {
            served.fetch_add(1, Ordering::SeqCst);
        }
        let closes = head
            .windows(17)
            .any(|w| w.eq_ignore_ascii_case(b"connection: close"));
        head.clear();
        let body = port.to_string();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).is_err() || closes {
            return;
        }
    }
}
