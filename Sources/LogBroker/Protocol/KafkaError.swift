/// The error codes of the protocol that this broker answers with (kafka.apache.org/protocol, "Error Codes").
enum KafkaError: Int16, Error {
    case none = 0
    case offsetOutOfRange = 1
    case corruptMessage = 2
    case unknownTopicOrPartition = 3
    case messageTooLarge = 10
    case offsetMetadataTooLarge = 12
    case invalidTopic = 17
    case illegalGeneration = 22
    case inconsistentGroupProtocol = 23
    case invalidGroupID = 24
    case unknownMember = 25
    case invalidSessionTimeout = 26
    case rebalanceInProgress = 27
    case unsupportedVersion = 35
    case topicAlreadyExists = 36
    case invalidPartitions = 37
    case invalidReplicationFactor = 38
    case invalidConfig = 40
    case invalidRequest = 42
    case unsupportedForMessageFormat = 43
    case outOfOrderSequenceNumber = 45
    case invalidProducerEpoch = 47
    case kafkaStorageError = 56
    case nonEmptyGroup = 68
    case groupNotFound = 69
    case memberIDRequired = 79
    case groupMaxSizeReached = 81
    case fencedInstance = 82
    case invalidRecord = 87
}
