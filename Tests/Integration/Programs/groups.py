"""Two members of a consumer group share a topic, one leaves, offsets are kept: groups.py kafka-python|confluent ADDRESS."""
import sys
import threading
import time

flavour, address = sys.argv[1:]
topic, group, count = "shared-" + flavour, "readers-" + flavour, 1000
seen = {1: [], 2: []}


def until(what, condition, limit=30):
    end = time.time() + limit
    while not condition():
        assert time.time() < end, (what, {member: len(found) for member, found in seen.items()})
        time.sleep(0.02)


if flavour == "confluent":
    from confluent_kafka import Consumer, Producer, TopicPartition
    from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

    admin = AdminClient({"bootstrap.servers": address})

    def done(futures):
        return {key: future.result(10) for key, future in futures.items()}

    done(admin.create_topics([NewTopic(topic, 4, 1, config={"retention.ms": "86400000"})]))
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True})

    def write():
        for number in range(count):
            producer.produce(topic, str(number), key=str(number))
        assert producer.flush(10) == 0

    def read(member, stop):
        consumer = Consumer({
            "bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000, "heartbeat.interval.ms": 300, "auto.commit.interval.ms": 200})
        consumer.subscribe([topic])
        while not stop.is_set():
            message = consumer.poll(0.1)
            if message and not message.error():
                seen[member].append((message.partition(), message.offset()))
        consumer.close()
else:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
    from kafka.admin import NewTopic

    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic(topic, 4, 1)])
    producer = KafkaProducer(bootstrap_servers=address, acks="all")

    def write():
        for number in range(count):
            producer.send(topic, str(number).encode(), key=str(number).encode())
        producer.flush()

    def read(member, stop):
        consumer = KafkaConsumer(
            topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest", session_timeout_ms=6000,
            heartbeat_interval_ms=300, auto_commit_interval_ms=200)
        while not stop.is_set():
            for records in consumer.poll(100).values():
                seen[member].extend((record.partition, record.offset) for record in records)
        consumer.close()

stops = {member: threading.Event() for member in seen}
threads = {member: threading.Thread(target=read, args=(member, stops[member])) for member in seen}
for thread in threads.values():
    thread.start()
# Both have their part once both have read of a later batch.
until("both read", lambda: (write(), time.sleep(0.2)) and min(map(len, seen.values())) > 0)
time.sleep(1)
stops[1].set()
threads[1].join()
before = len(seen[2])
write()
until("the one that stays reads all", lambda: len(seen[2]) >= before + count)
assert {partition for partition, _ in seen[2][before:]} == {0, 1, 2, 3}
time.sleep(0.5)
stops[2].set()
threads[2].join()

if flavour == "confluent":
    consumer = Consumer({"bootstrap.servers": address, "group.id": group})
    places = [TopicPartition(topic, number) for number in range(4)]
    ends = {place.partition: consumer.get_watermark_offsets(place, timeout=5)[1] for place in places}
    committed = {place.partition: place.offset for place in consumer.committed(places, 10)}
    assert committed == ends, (committed, ends)
    assert len(set(seen[1] + seen[2])) == sum(ends.values())
    assert group in [found.group_id for found in admin.list_consumer_groups().result(10).valid]
    described = done(admin.describe_consumer_groups([group]))[group]
    assert described.state.name == "EMPTY" and not described.members, described
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    settings = next(iter(done(admin.describe_configs([resource])).values()))
    assert settings["retention.ms"].value == "86400000" and settings["cleanup.policy"].value == "delete"
    done(admin.create_partitions([NewPartitions(topic, 6)]))
    assert len(admin.list_topics(topic, timeout=5).topics[topic].partitions) == 6
    low = next(iter(done(admin.delete_records([TopicPartition(topic, 0, 10)])).values())).low_watermark
    assert low == 10 and consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=5)[0] == 10
    consumer.close()
    done(admin.delete_consumer_groups([group]))
    done(admin.delete_topics([topic]))
    assert topic not in admin.list_topics(timeout=5).topics
else:
    committed = admin.list_consumer_group_offsets(group)
    assert sum(found.offset for found in committed.values()) == len(set(seen[1] + seen[2])), committed
    assert (group, "consumer") in admin.list_consumer_groups()
    admin.delete_topics([topic])
print("fine")
