/// The error codes of the protocol that this broker answers with (kafka.apache.org/protocol, "Error Codes").
enum KafkaError: Int16, Error {
    case none = 0
    case offsetOutOfRange = 1
    case corruptMessage = 2
    case unknownTopicOrPartition = 3
    case messageTooLarge = 10
    case invalidTopic = 17
    case unsupportedVersion = 35
    case topicAlreadyExists = 36
    case invalidPartitions = 37
    case invalidReplicationFactor = 38
    case invalidRequest = 42
    case unsupportedForMessageFormat = 43
    case outOfOrderSequenceNumber = 45
    case invalidProducerEpoch = 47
    case kafkaStorageError = 56
    case invalidRecord = 87
}
