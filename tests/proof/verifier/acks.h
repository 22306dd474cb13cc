// The account of what was acknowledged, kept outside of the server and its data directory: a file that only grows.
//
// An acknowledgement is in the file before anybody counts it, so whatever was counted can be asked for. Read by check.cc and by
// tests/proof/campaign.py, which know the layout of Ack.
#pragma once

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "payload.h"

namespace verifier {

struct Ack {
  Place place;
  std::int64_t offset = 0;
  std::uint64_t sequence = 0;
  std::int64_t monotonic_ns = 0;  // when the client heard of it
  std::int64_t latency_us = 0;    // since it was handed to the client library
};
static_assert(sizeof(Ack) == 40);

inline std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

[[noreturn]] inline void die(const std::string& what) {
  std::fprintf(stderr, "verifier: %s\n", what.c_str());
  ::_exit(2);  // librdkafka's threads may be at work
}

class AckFile {
 public:
  explicit AckFile(const std::string& path) : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    if (fd_ < 0) die("cannot open " + path);
  }
  ~AckFile() { ::close(fd_); }
  AckFile(const AckFile&) = delete;
  AckFile& operator=(const AckFile&) = delete;

  void add(const Ack& ack) { waiting_.push_back(ack); }

  // Writes what was added; only then is it counted.
  void settle() {
    if (waiting_.empty()) return;
    auto bytes = waiting_.size() * sizeof(Ack);
    if (::write(fd_, waiting_.data(), bytes) != static_cast<ssize_t>(bytes)) die("cannot write acknowledgements");
    counted_ += waiting_.size();
    waiting_.clear();
  }
  std::uint64_t counted() const { return counted_; }

 private:
  int fd_;
  std::vector<Ack> waiting_;
  std::uint64_t counted_ = 0;
};

// Whole entries only: the writer may be at it.
inline std::vector<Ack> read_acks(const std::string& path) {
  std::vector<Ack> acks;
  auto* file = std::fopen(path.c_str(), "rb");
  if (!file) die("cannot open " + path);
  Ack ack;
  while (std::fread(&ack, sizeof ack, 1, file) == 1) acks.push_back(ack);
  std::fclose(file);
  return acks;
}

}  // namespace verifier
