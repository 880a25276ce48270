//! What librdkafka says, in the log's words: away, refused with advice, or failed.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::LogError;

/// What a failure means for who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Kafka is away, or busy with itself; asking again later is right.
    Away,
    /// We are not known, or not allowed to.
    Refused,
    /// There is no such topic, or no such partition.
    Missing,
    /// Anything else.
    Failed,
}

/// The code of a failure; the wrapper keeps that of an administrator's call to itself.
pub(super) fn code_of(cause: &KafkaError) -> Option<Code> {
    if let KafkaError::AdminOp(code) = cause { Some(*code) } else { cause.rdkafka_error_code() }
}

pub(super) fn meaning(code: Code) -> Meaning {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "over a hundred codes; what is not named is a failure"
    )]
    match code {
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::MessageTimedOut
        | Code::TimedOutQueue
        | Code::WaitingForCoordinator
        | Code::WaitCache
        | Code::Retry
        | Code::InProgress
        | Code::PreviousInProgress
        | Code::ISRInsufficient
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::RequestTimedOut
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::NetworkException
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::RebalanceInProgress
        | Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::AssignmentLost
        | Code::NotController
        | Code::KafkaStorageError
        | Code::UnknownLeaderEpoch
        | Code::FencedLeaderEpoch
        | Code::StaleControllerEpoch
        | Code::StaleMemberEpoch
        | Code::FencedMemberEpoch
        | Code::UnstableOffsetCommit
        | Code::OffsetNotAvailable
        | Code::ThrottlingQuotaExceeded => Meaning::Away,
        Code::Authentication
        | Code::SSL
        | Code::SaslAuthenticationFailed
        | Code::IllegalSASLState
        | Code::UnsupportedSASLMechanism
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SecurityDisabled
        | Code::PolicyViolation => Meaning::Refused,
        Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition => Meaning::Missing,
        _ => Meaning::Failed,
    }
}

/// What to do where Kafka refuses. `reason` is librdkafka's sentence, `about` what was asked for.
pub(super) fn advice(code: Code, about: &str, reason: &str) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have no advice of their own")]
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed | Code::IllegalSASLState => {
            format!(
                "it does not take our login ({reason}); check kafka.sasl_username, kafka.sasl_password and kafka.sasl_mechanism"
            )
        }
        Code::UnsupportedSASLMechanism => {
            format!("it does not know this way to log in ({reason}); check kafka.sasl_mechanism")
        }
        Code::SSL => format!(
            "TLS could not be agreed on ({reason}); check that kafka.security_protocol is the listener's and that \
             kafka.ssl_ca_location names the authority that signed the brokers' certificates"
        ),
        Code::TopicAuthorizationFailed => format!(
            "we may not use the topic{about}; give our user Describe, Read and Write on it, and Create where it is to be made"
        ),
        Code::GroupAuthorizationFailed => {
            format!("we may not use the group{about}; give our user Describe and Read on it")
        }
        Code::ClusterAuthorizationFailed => format!(
            "we lack a right on the cluster{about}; give our user Write on its topics, and IdempotentWrite or Create on the cluster"
        ),
        _ => reason.to_owned(),
    }
}

impl LogError {
    /// What a client of Kafka failed with, while it was to do `operation`.
    pub(super) fn kafka(operation: &'static str) -> impl FnOnce(KafkaError) -> Self {
        Self::kafka_about(operation, "")
    }

    /// The same, about a topic or a group.
    pub(super) fn kafka_about(operation: &'static str, name: &str) -> impl FnOnce(KafkaError) -> Self {
        let about = if name.is_empty() { String::new() } else { format!(" `{name}`") };
        move |source| match code_of(&source).map(|code| (code, meaning(code))) {
            Some((Code::QueueFull, _)) => Self::Full,
            Some((_, Meaning::Away)) => Self::Away { operation, source },
            Some((code, Meaning::Refused)) => {
                Self::Refused { operation, advice: advice(code, &about, &code.to_string()) }
            }
            Some((_, Meaning::Missing | Meaning::Failed)) | None => Self::Kafka { operation, source },
        }
    }

    /// Why a group's offset could not be set. The broker knows the members of a group that is in use, and we are none.
    pub(super) fn set_offset(group: &str, cause: KafkaError) -> Self {
        match code_of(&cause) {
            Some(
                Code::NonEmptyGroup
                | Code::UnknownMemberId
                | Code::IllegalGeneration
                | Code::RebalanceInProgress,
            ) => Self::GroupActive { group: group.to_owned() },
            Some(_) | None => Self::kafka_about("set how far a group is", group)(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_away_is_told_from_who_refuses() {
        let away = LogError::kafka("read")(KafkaError::Global(Code::AllBrokersDown));
        assert!(away.is_away());
        let refused =
            LogError::kafka_about("read", "orders")(KafkaError::Global(Code::TopicAuthorizationFailed));
        assert!(!refused.is_away());
        assert_eq!(
            refused.to_string(),
            "Kafka refused to read: we may not use the topic `orders`; give our user Describe, Read and Write on it, and Create where it is to be made"
        );
    }
}
