//! Calls to whichever member answers.

use crate::config::{ConfigError, EtcdConfig};
use crate::endpoint::{Member, chain, members};
use crate::failure::Failure;
use crate::proto::{AuthenticateRequest, AuthenticateResponse, Headed, path};
use ipam::store::StoreError;
use prost::Message;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

/// Pause after every member has failed once.
const PAUSE: Duration = Duration::from_millis(50);
/// Renewed tokens that one operation may need: a second rejection may be another member's, which has not heard of the token yet.
const MOST_TOKENS: u32 = 4;

/// One connection, to the member that answered last.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) config: EtcdConfig,
    members: Vec<Member>,
    current: usize,
    grpc: Option<Grpc<Channel>>,
    token: Option<MetadataValue<Ascii>>,
    /// Of the first answer: a member of another cluster knows nothing of this store.
    cluster: Option<u64>,
}

/// Whether a call that may have reached a member may be made once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
}

impl Client {
    pub(crate) fn new(config: EtcdConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            members: members(&config)?,
            config,
            current: 0,
            grpc: None,
            token: None,
            cluster: None,
        })
    }

    /// Another connection to the same members.
    pub(crate) fn another(&self) -> Self {
        Self {
            config: self.config.clone(),
            members: self.members.clone(),
            current: self.current,
            grpc: None,
            token: None,
            cluster: self.cluster,
        }
    }

    /// A call that changes nothing: made again elsewhere until the operation's time is over.
    pub(crate) async fn read<Q, A>(&mut self, path: &'static str, request: &Q) -> Result<A, Failure>
    where
        Q: Message + Clone + 'static,
        A: Message + Headed + Default + 'static,
    {
        self.call(path, request, Kind::Read).await
    }

    /// A call that changes something: made again only where it is certain that nothing was changed.
    pub(crate) async fn write<Q, A>(
        &mut self,
        path: &'static str,
        request: &Q,
    ) -> Result<A, Failure>
    where
        Q: Message + Clone + 'static,
        A: Message + Headed + Default + 'static,
    {
        let (given, limit) = (request.encoded_len(), self.config.max_request_bytes);
        if given > limit {
            return Err(Failure::TooLarge { given, limit });
        }
        self.call(path, request, Kind::Write).await
    }

    async fn call<Q, A>(
        &mut self,
        path: &'static str,
        request: &Q,
        kind: Kind,
    ) -> Result<A, Failure>
    where
        Q: Message + Clone + 'static,
        A: Message + Headed + Default + 'static,
    {
        let deadline = Instant::now() + self.config.timeout;
        let (mut failed, mut tokens) = (0, 0);
        loop {
            let failure = match self.attempt(path, request, kind, deadline).await {
                Ok(answer) => return self.of_this_cluster(answer),
                Err(failure) => failure,
            };
            if failure.rejects_token() && self.config.user.is_some() && tokens < MOST_TOKENS {
                tokens += 1;
                self.forget_token();
                continue;
            }
            let again = match kind {
                Kind::Read => failure.is_passing(),
                Kind::Write => failure.changed_nothing() && failure.is_passing(),
            };
            if failure.is_passing() {
                self.next_member();
                failed += 1;
            }
            if !again || Instant::now() >= deadline {
                return Err(failure);
            }
            if failed % self.members.len() == 0 {
                sleep(PAUSE).await;
            }
        }
    }

    async fn attempt<Q, A>(
        &mut self,
        path: &'static str,
        request: &Q,
        kind: Kind,
        deadline: Instant,
    ) -> Result<A, Failure>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        self.ready(deadline).await?;
        let until = match kind {
            Kind::Read => deadline.min(Instant::now() + self.config.attempt_timeout),
            Kind::Write => deadline,
        };
        self.unary(path, request.clone(), until).await
    }

    /// Connects, and asks for a token where one is needed.
    async fn ready(&mut self, deadline: Instant) -> Result<(), Failure> {
        if self.grpc.is_none() {
            let connects = self.member().endpoint.connect();
            let limit = self.config.connect_timeout.max(Duration::from_millis(1));
            let channel = match timeout(limit * 2, connects).await {
                Ok(Ok(channel)) => channel,
                Ok(Err(error)) => return Err(self.unreachable(&chain(&error))),
                Err(_) => return Err(self.unreachable("takes no connection")),
            };
            let most = self.config.max_response_bytes;
            self.grpc = Some(Grpc::new(channel).max_decoding_message_size(most));
        }
        let Some((name, password)) = self.config.user.clone().filter(|_| self.token.is_none())
        else {
            return Ok(());
        };
        let until = deadline.min(Instant::now() + self.config.attempt_timeout);
        let request = AuthenticateRequest { name, password };
        let answer: Result<AuthenticateResponse, _> =
            self.unary(path::AUTHENTICATE, request, until).await;
        match answer {
            Ok(answer) => {
                let token = answer.token.parse();
                let mut token: MetadataValue<Ascii> =
                    token.map_err(|_| self.odd("a token that is no header's value"))?;
                // For logs, and for the tables of headers that both sides keep.
                token.set_sensitive(true);
                self.token = Some(token);
                Ok(())
            }
            // Then anybody may do anything, with a name or without.
            Err(Failure::Answered { message, .. })
                if message.contains("authentication is not enabled") =>
            {
                Ok(())
            }
            // Whoever was not let in has changed nothing.
            Err(Failure::Unknown { member, why }) => Err(Failure::NotSent { member, why }),
            Err(other) => Err(other),
        }
    }

    async fn unary<Q, A>(
        &mut self,
        path: &'static str,
        request: Q,
        until: Instant,
    ) -> Result<A, Failure>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let request = self.request(request);
        let member = self.member().name.clone();
        let Some(grpc) = &mut self.grpc else {
            return Err(self.unreachable("is not connected"));
        };
        let answer = async {
            grpc.ready().await.map_err(|e| Failure::NotSent {
                member: member.clone(),
                why: chain(&e),
            })?;
            let codec = ProstCodec::<Q, A>::default();
            let answer = grpc.unary(request, PathAndQuery::from_static(path), codec);
            let answer = answer.await.map_err(|s| Failure::of(&member, &s))?;
            Ok(answer.into_inner())
        };
        let outcome = match timeout_at(until, answer).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Unknown {
                member: member.clone(),
                why: "gave no answer in time".into(),
            }),
        };
        if matches!(
            outcome,
            Err(Failure::NotSent { .. } | Failure::Unknown { .. })
        ) {
            self.grpc = None;
        }
        outcome
    }

    /// Opens a stream of answers to a stream of requests, which must not end before the answers are no longer wanted.
    pub(crate) async fn stream<Q, A>(
        &mut self,
        path: &'static str,
        requests: impl Stream<Item = Q> + Send + 'static,
    ) -> Result<Streaming<A>, Failure>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let until = Instant::now() + self.config.attempt_timeout;
        self.ready(until).await?;
        let request = self.request(requests);
        let member = self.member().name.clone();
        let Some(grpc) = &mut self.grpc else {
            return Err(self.unreachable("is not connected"));
        };
        let opens = async {
            grpc.ready().await.map_err(|e| Failure::NotSent {
                member: member.clone(),
                why: chain(&e),
            })?;
            let codec = ProstCodec::<Q, A>::default();
            let answer = grpc.streaming(request, PathAndQuery::from_static(path), codec);
            let answer = answer.await.map_err(|s| Failure::of(&member, &s))?;
            Ok(answer.into_inner())
        };
        match timeout_at(until, opens).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Unknown {
                member,
                why: "gave no answer in time".into(),
            }),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        // A member without a leader says so at once, rather than after its own timeout.
        let leader = MetadataValue::from_static("true");
        request.metadata_mut().insert("hasleader", leader);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
        request
    }

    fn of_this_cluster<A: Headed>(&mut self, answer: A) -> Result<A, Failure> {
        let Some(header) = answer.header() else {
            return Err(self.odd("an answer without a header"));
        };
        let (known, found) = (
            *self.cluster.get_or_insert(header.cluster_id),
            header.cluster_id,
        );
        if known != found {
            let member = self.member().name.clone();
            return Err(Failure::OtherCluster {
                member,
                known,
                found,
            });
        }
        Ok(answer)
    }

    pub(crate) fn odd(&self, what: &str) -> Failure {
        Failure::Answered {
            member: self.member().name.clone(),
            code: Code::Internal,
            message: format!("gave {what}, which no etcd does"),
        }
    }

    /// The next operation asks for a token anew.
    pub(crate) fn forget_token(&mut self) {
        self.token = None;
    }

    /// What a stream's status says.
    pub(crate) fn failure_of(&self, status: &Status) -> Failure {
        Failure::of(&self.member().name, status)
    }

    pub(crate) fn unknown(&self, why: &str) -> Failure {
        Failure::Unknown {
            member: self.member().name.clone(),
            why: why.to_owned(),
        }
    }

    fn unreachable(&self, why: &str) -> Failure {
        Failure::NotSent {
            member: self.member().name.clone(),
            why: why.to_owned(),
        }
    }

    fn member(&self) -> &Member {
        // There is one at least, and `current` is always below their number.
        &self.members[self.current]
    }

    /// The next operation goes to another member.
    pub(crate) fn next_member(&mut self) {
        self.current = (self.current + 1) % self.members.len();
        self.grpc = None;
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::Io(failure.to_string())
    }
}
