//! A double of a Kubernetes API server, for tests of clients.
//!
//! It keeps objects as plain JSON and answers get, list (in pages, or metadata alone), watch (bookmarks, `410 Gone`), create,
//! update and merge patch as the API's conventions tell, with resource versions and conflicts. A test makes and deletes objects
//! by [`Double::apply`] and [`Double::delete`], and asks for faults by [`Double::fault`]. What was called is told by
//! [`Double::calls`]. It shares no code with any client: it is hyper's server and [`serde_json::Value`].
//!
//! A client reaches it through a socket ([`Double::listen`]) or through memory ([`Double::connect`]), where tokio's clock may be
//! paused: nothing then waits for anything but that clock.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use kube_double::Double;
//! use serde_json::json;
//!
//! let double = Double::new();
//! let pod = double.apply("pods", json!({"metadata": {"namespace": "shop", "name": "web-0"}}));
//! assert_eq!(pod["metadata"]["resourceVersion"], "1");
//! # });
//! ```
#![forbid(unsafe_code)]

mod answer;
mod body;
mod fault;
mod resource;
mod serve;
mod state;
mod watch;
mod write;

pub use fault::Fault;
pub use serde_json::Value;
pub use state::{Call, Double};
