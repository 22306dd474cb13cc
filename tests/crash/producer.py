"""A Kafka producer through librdkafka (the library kcat is made of): idempotent, acks=all, it survives the server's restarts and keeps
account of which records were acknowledged at which offset."""

import ctypes
import ctypes.util
import threading
import time


class Message(ctypes.Structure):
    _fields_ = [("error", ctypes.c_int), ("topic", ctypes.c_void_p), ("partition", ctypes.c_int32), ("payload", ctypes.c_void_p), ("payload_size", ctypes.c_size_t),
                ("key", ctypes.c_void_p), ("key_size", ctypes.c_size_t), ("offset", ctypes.c_int64), ("private", ctypes.c_void_p)]


DELIVERED = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Message), ctypes.c_void_p)
COPY = 2
QUEUE_FULL = -184


def library():
    lib = ctypes.CDLL(ctypes.util.find_library("rdkafka") or "librdkafka.so.1")
    lib.rd_kafka_conf_new.restype = ctypes.c_void_p
    lib.rd_kafka_conf_set.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
    lib.rd_kafka_conf_set_dr_msg_cb.argtypes = [ctypes.c_void_p, DELIVERED]
    lib.rd_kafka_new.restype = ctypes.c_void_p
    lib.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    lib.rd_kafka_topic_new.restype = ctypes.c_void_p
    lib.rd_kafka_topic_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    lib.rd_kafka_produce.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
    lib.rd_kafka_last_error.restype = ctypes.c_int
    lib.rd_kafka_poll.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.rd_kafka_flush.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.rd_kafka_outq_len.argtypes = [ctypes.c_void_p]
    lib.rd_kafka_err2name.restype = ctypes.c_char_p
    lib.rd_kafka_err2name.argtypes = [ctypes.c_int]
    lib.rd_kafka_fatal_error.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    lib.rd_kafka_topic_destroy.argtypes = [ctypes.c_void_p]
    lib.rd_kafka_destroy.argtypes = [ctypes.c_void_p]
    return lib


class Producer:
    """Keys are the numbers 0, 1, 2...; what happened to each is in `acknowledged` (number -> offset) and `failed` (number -> error name)."""

    def __init__(self, bootstrap, topic, config=None):
        self.lib = library()
        self.acknowledged, self.failed = {}, {}
        self.sent = 0
        self.callback = DELIVERED(self._delivered)  # kept: librdkafka calls it as long as it lives
        conf = self.lib.rd_kafka_conf_new()
        reason = ctypes.create_string_buffer(512)
        settings = {"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": "true", "linger.ms": "2", "message.timeout.ms": "300000",
                    "reconnect.backoff.ms": "20", "reconnect.backoff.max.ms": "200", "retry.backoff.ms": "50", "log_level": "0"} | (config or {})
        for name, value in settings.items():
            assert self.lib.rd_kafka_conf_set(conf, name.encode(), value.encode(), reason, 512) == 0, reason.value
        self.lib.rd_kafka_conf_set_dr_msg_cb(conf, self.callback)
        self.handle = self.lib.rd_kafka_new(0, conf, reason, 512)
        assert self.handle, reason.value
        self.topic = self.lib.rd_kafka_topic_new(self.handle, topic.encode(), None)

    def _delivered(self, handle, message, opaque):
        m = message.contents
        number = int(ctypes.string_at(m.key, m.key_size))
        if m.error:
            self.failed[number] = self.lib.rd_kafka_err2name(m.error).decode()
        else:
            self.acknowledged[number] = m.offset

    def send(self, value, partition=0):
        key = str(self.sent).encode()
        while self.lib.rd_kafka_produce(self.topic, partition, COPY, value, len(value), key, len(key), None) != 0:
            error = self.lib.rd_kafka_last_error()
            assert error == QUEUE_FULL, self.lib.rd_kafka_err2name(error)
            self.poll(50)
        self.sent += 1
        self.poll(0)

    def poll(self, ms):
        self.lib.rd_kafka_poll(self.handle, ms)

    def flush(self, seconds):
        """True when nothing is waiting any more."""
        return self.lib.rd_kafka_flush(self.handle, int(seconds * 1000)) == 0

    def fatal(self):
        reason = ctypes.create_string_buffer(512)
        return reason.value.decode() if self.lib.rd_kafka_fatal_error(self.handle, reason, 512) else None

    def close(self):
        self.lib.rd_kafka_topic_destroy(self.topic)
        self.lib.rd_kafka_destroy(self.handle)


def record(number):
    """The value says its own number, so that a record at a wrong place shows."""
    return b"record %d " % number + b"x" * (number % 700)


class SteadyProducer(threading.Thread):
    """Sends `rate` records a second until stopped."""

    def __init__(self, bootstrap, topic, rate):
        super().__init__(daemon=True)
        self.producer = Producer(bootstrap, topic)
        self.rate = rate
        self.stopping = threading.Event()
        self.error = None
        self.start()

    def run(self):
        try:
            due = time.monotonic()
            while not self.stopping.is_set():
                self.producer.send(record(self.producer.sent))
                due += 1 / self.rate
                self.producer.poll(max(0, int((due - time.monotonic()) * 1000)))
        except Exception as error:
            self.error = error

    def finish(self, seconds):
        self.stopping.set()
        self.join(30)
        assert self.error is None, self.error
        drained = self.producer.flush(seconds)
        assert self.producer.fatal() is None, self.producer.fatal()
        assert drained, f"{self.producer.sent - len(self.producer.acknowledged) - len(self.producer.failed)} records are still unanswered"
        return self.producer
