#include "world/simulated_disk.h"

#include <fmt/core.h>

#include "base/check.h"

namespace tidemill::world {
namespace {

std::uint64_t hash_of(std::span<const std::byte> bytes) {
  std::uint64_t h = 0xcbf29ce484222325ull;
  for (auto b : bytes) h = (h ^ static_cast<std::uint64_t>(b)) * 0x100000001b3ull;
  return h;
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

Error io_error(std::string_view doing, const std::string& path) { return fail(Code::io, fmt::format("cannot {} {}: simulated fault", doing, path)); }
Error no_file(const std::string& path) { return fail(Code::not_found, fmt::format("{} does not exist", path)); }

}  // namespace

class SimulatedDisk::OpenFile final : public File {
 public:
  OpenFile(SimulatedDisk& disk, std::shared_ptr<Inode> inode, std::string path, bool writable)
      : disk_(disk), inode_(std::move(inode)), path_(std::move(path)), writable_(writable), generation_(disk.generation_) {}

  Result<void> write_at(std::uint64_t position, std::span<const std::byte> bytes) override {
    std::lock_guard hold(disk_.mutex_);
    TRY(disk_.alive(generation_));
    CHECK(writable_, "{}", path_);
    return disk_.write(*inode_, path_, position, bytes);
  }
  Result<void> write_at(std::uint64_t position, std::span<const std::span<const std::byte>> parts) override {
    std::string whole;
    for (auto part : parts) whole.append(reinterpret_cast<const char*>(part.data()), part.size());
    return write_at(position, std::as_bytes(std::span(whole)));
  }
  Result<std::size_t> read_at(std::uint64_t position, std::span<std::byte> out) const override {
    std::lock_guard hold(disk_.mutex_);
    TRY(disk_.alive(generation_));
    auto& bytes = inode_->current;
    if (position >= bytes.size()) return std::size_t{0};
    auto count = std::min<std::size_t>(out.size(), bytes.size() - position);
    std::memcpy(out.data(), bytes.data() + position, count);
    return count;
  }
  Result<void> sync_data() override {
    std::lock_guard hold(disk_.mutex_);
    TRY(disk_.alive(generation_));
    return disk_.sync(*inode_, path_);
  }
  Result<std::uint64_t> size() const override {
    std::lock_guard hold(disk_.mutex_);
    TRY(disk_.alive(generation_));
    return std::uint64_t{inode_->current.size()};
  }
  Result<void> truncate(std::uint64_t size) override {
    std::lock_guard hold(disk_.mutex_);
    TRY(disk_.alive(generation_));
    TRY(disk_.begin_change("truncate", path_, size, 0));
    inode_->size_dirty |= inode_->current.size() != size;
    inode_->current.resize(size);
    std::erase_if(inode_->dirty, [&](auto& entry) { return entry.first * sector_bytes >= size; });
    return {};
  }

 private:
  SimulatedDisk& disk_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
  bool writable_;
  std::uint64_t generation_;
};

SimulatedDisk::SimulatedDisk(std::uint64_t seed) : random_state_(seed * 0x9E3779B97F4A7C15ull + 1) {}
SimulatedDisk::~SimulatedDisk() = default;

// ---- operations

Result<void> SimulatedDisk::alive(std::uint64_t generation) const {
  if (generation != generation_) return fail(Code::io, "the process that opened this file has ended");
  if (stopped_) return fail(Code::io, "the machine has stopped");
  return {};
}

// Counts a change and lets the moment of the crash come.
Result<void> SimulatedDisk::begin_change(std::string_view what, const std::string& path, std::uint64_t a, std::uint64_t b) {
  trace_in(hash_of(std::as_bytes(std::span(what))) ^ hash_of(std::as_bytes(std::span(path))));
  trace_in(a * 31 + b);
  if (stop_in_ > 0 && --stop_in_ == 0) {
    stopped_ = true;
    return fail(Code::io, "the machine has stopped");
  }
  return {};
}

Result<void> SimulatedDisk::write(Inode& inode, const std::string& path, std::uint64_t position, std::span<const std::byte> bytes) {
  ++write_number_;
  if (auto begun = begin_change("write", path, position, hash_of(bytes)); !begun) {
    put(inode, position, bytes.first(random() % (bytes.size() + 1)));
    return begun;
  }
  if (fail_write_in_ > 0 && --fail_write_in_ == 0) {
    put(inode, position, bytes.first(random() % (bytes.size() + 1)));
    return io_error("write", path);
  }
  auto size = std::max<std::uint64_t>(inode.current.size(), position + bytes.size());
  auto more = size - inode.current.size();
  if (space_ > 0 && more > 0) {
    std::uint64_t used = 0;
    for (auto& [name, known] : names_) used += known->current.size();
    if (used + more > space_) return fail(Code::full, fmt::format("cannot write {}: no space left", path));
  }
  put(inode, position, bytes);
  return {};
}

void SimulatedDisk::put(Inode& inode, std::uint64_t position, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  auto end = position + bytes.size();
  if (end > inode.current.size()) {
    inode.current.resize(end);
    inode.size_dirty = true;
  }
  std::memcpy(inode.current.data() + position, bytes.data(), bytes.size());
  for (auto sector = position / sector_bytes; sector * sector_bytes < end; ++sector) {
    Version version{write_number_, {}};
    auto start = sector * sector_bytes;
    std::memcpy(version.bytes.data(), inode.current.data() + start, std::min<std::size_t>(sector_bytes, inode.current.size() - start));
    inode.dirty[sector].push_back(version);
  }
}

Result<void> SimulatedDisk::sync(Inode& inode, const std::string& path) {
  ++syncs_;
  TRY(begin_change("sync", path, inode.dirty.size(), 0));
  if (fail_sync_in_ > 0 && --fail_sync_in_ == 0) {
    settle(inode);  // some of it reached the disk; all of it counts as clean from now on
    inode.dirty.clear();
    inode.size_dirty = false;
    return io_error("sync", path);
  }
  inode.durable.resize(inode.current.size());
  for (auto& [sector, versions] : inode.dirty) {
    auto start = sector * sector_bytes;
    std::memcpy(inode.durable.data() + start, inode.current.data() + start, std::min<std::size_t>(sector_bytes, inode.current.size() - start));
  }
  inode.dirty.clear();
  inode.size_dirty = false;
  return {};
}

Result<std::unique_ptr<File>> SimulatedDisk::open(const std::string& path, Open how) {
  std::lock_guard hold(mutex_);
  TRY(alive(generation_));
  auto found = names_.find(path);
  if (found == names_.end()) {
    if (how != Open::create) return no_file(path);
    if (!folders_.contains(folder_of(path))) return no_file(folder_of(path));
    TRY(begin_change("create", path, 0, 0));
    NameChange change{NameChange::Kind::made, path, {}, std::make_shared<Inode>()};
    apply(names_, change);
    name_changes_.push_back(change);
    found = names_.find(path);
  }
  return std::make_unique<OpenFile>(*this, found->second, path, how != Open::read);
}

Result<void> SimulatedDisk::remove(const std::string& path) {
  std::lock_guard hold(mutex_);
  TRY(alive(generation_));
  if (!names_.contains(path)) return no_file(path);
  TRY(begin_change("remove", path, 0, 0));
  name_changes_.push_back({NameChange::Kind::removed, path, {}, nullptr});
  apply(names_, name_changes_.back());
  return {};
}

Result<void> SimulatedDisk::rename(const std::string& from, const std::string& to) {
  std::lock_guard hold(mutex_);
  TRY(alive(generation_));
  if (!names_.contains(from)) return no_file(from);
  TRY(begin_change("rename", from, hash_of(std::as_bytes(std::span(to))), 0));
  name_changes_.push_back({NameChange::Kind::renamed, from, to, names_[from]});
  apply(names_, name_changes_.back());
  return {};
}

Result<void> SimulatedDisk::sync_dir(const std::string& path) {
  std::lock_guard hold(mutex_);
  TRY(alive(generation_));
  TRY(begin_change("sync_dir", path, 0, 0));
  std::erase_if(name_changes_, [&](auto& change) {
    if (folder_of(change.path) != path) return false;
    apply(durable_names_, change);
    return true;
  });
  return {};
}

Result<std::vector<std::string>> SimulatedDisk::list(const std::string& path) {
  std::lock_guard hold(mutex_);
  TRY(alive(generation_));
  if (!folders_.contains(path)) return no_file(path);
  std::vector<std::string> out;
  for (auto& [name, inode] : names_)
    if (folder_of(name) == path) out.push_back(name.substr(path.size() + 1));
  for (auto& name : folders_)
    if (name != path && folder_of(name) == path) out.push_back(name.substr(path.size() + 1));
  std::sort(out.begin(), out.end());
  return out;
}

Result<void> SimulatedDisk::make_dirs(const std::string& path) {
  std::lock_guard hold(mutex_);
  TRY(alive(generation_));
  for (auto at = path; !at.empty(); at = folder_of(at)) {
    folders_.insert(at);
    if (at.find('/') == std::string::npos) break;
  }
  return {};
}

Result<bool> SimulatedDisk::exists(const std::string& path) {
  std::lock_guard hold(mutex_);
  TRY(alive(generation_));
  return names_.contains(path) || folders_.contains(path);
}

Result<std::uint64_t> SimulatedDisk::free_bytes(const std::string&) {
  auto used = used_bytes();
  std::lock_guard hold(mutex_);
  return space_ == 0 ? std::uint64_t{1} << 40 : space_ - std::min(space_, used);
}

Result<std::shared_ptr<void>> SimulatedDisk::lock(const std::string& path) {
  std::lock_guard hold(mutex_);
  TRY(alive(generation_));
  if (locks_[path].lock()) return fail(Code::busy, fmt::format("{} is locked", path));
  auto held = std::make_shared<int>(0);
  locks_[path] = held;
  return std::shared_ptr<void>(held);
}

// ---- crashes

void SimulatedDisk::apply(Names& names, const NameChange& change) {
  if (change.kind == NameChange::Kind::made) names[change.path] = change.inode;
  if (change.kind == NameChange::Kind::removed) names.erase(change.path);
  if (change.kind == NameChange::Kind::renamed) {
    names.erase(change.path);
    names[change.to] = change.inode;
  }
}

// Lets a choice of the dirty sectors reach `durable`. How they are chosen is chosen too: whole writes matter as much as
// sectors, because a write that is lost in front of one that is kept is the hardest case for a log.
void SimulatedDisk::settle(Inode& inode) {
  auto style = random() % 5;  // 0: all lost; 1: all kept; 2: sectors; 3: whole writes; 4: most writes
  std::map<std::uint64_t, bool> kept_writes;
  auto keeps = [&](const Version& version) {
    if (style <= 1) return style == 1;
    if (style == 2) return chance(50);
    auto [at, fresh] = kept_writes.try_emplace(version.write, false);
    if (fresh) at->second = chance(style == 3 ? 50 : 85);
    return at->second;
  };
  if (inode.size_dirty && (style == 1 || (style > 1 && chance(50)))) inode.durable.resize(inode.current.size());
  for (auto& [sector, versions] : inode.dirty) {
    auto start = sector * sector_bytes;
    for (auto& version : versions) {
      if (start >= inode.durable.size() || !keeps(version)) continue;
      std::memcpy(inode.durable.data() + start, version.bytes.data(), std::min<std::size_t>(sector_bytes, inode.durable.size() - start));
    }
  }
}

void SimulatedDisk::lose(Inode& inode) {
  settle(inode);
  inode.current = inode.durable;
  inode.dirty.clear();
  inode.size_dirty = false;
}

void SimulatedDisk::lose_names() {
  for (auto& change : name_changes_) {
    bool possible = change.kind == NameChange::Kind::made || durable_names_.contains(change.path);
    if (possible && chance(50)) apply(durable_names_, change);
  }
  name_changes_.clear();
  names_ = durable_names_;
}

void SimulatedDisk::power_loss() {
  std::lock_guard hold(mutex_);
  lose_names();
  for (auto& [name, inode] : names_) lose(*inode);
  ++generation_;
  stopped_ = false;
  stop_in_ = fail_write_in_ = fail_sync_in_ = 0;
  locks_.clear();
  trace_in(names_.size());
}

void SimulatedDisk::kill() {
  std::lock_guard hold(mutex_);
  ++generation_;
  stopped_ = false;
  stop_in_ = fail_write_in_ = fail_sync_in_ = 0;
  locks_.clear();
}

// ---- requests and looks

void SimulatedDisk::stop_at_change(std::uint64_t n) { std::lock_guard hold(mutex_); stop_in_ = n; }
bool SimulatedDisk::stopped() const { std::lock_guard hold(mutex_); return stopped_; }
void SimulatedDisk::fail_write(std::uint64_t n) { std::lock_guard hold(mutex_); fail_write_in_ = n; }
void SimulatedDisk::fail_sync(std::uint64_t n) { std::lock_guard hold(mutex_); fail_sync_in_ = n; }
void SimulatedDisk::limit_space(std::uint64_t bytes) { std::lock_guard hold(mutex_); space_ = bytes; }
std::uint64_t SimulatedDisk::trace() const { std::lock_guard hold(mutex_); return trace_; }
std::uint64_t SimulatedDisk::syncs() const { std::lock_guard hold(mutex_); return syncs_; }

std::uint64_t SimulatedDisk::used_bytes() const {
  std::lock_guard hold(mutex_);
  std::uint64_t used = 0;
  for (auto& [name, inode] : names_) used += inode->current.size();
  return used;
}

void SimulatedDisk::flip(const std::string& path, std::uint64_t position, std::byte mask) {
  std::lock_guard hold(mutex_);
  auto& inode = *names_.at(path);
  for (auto* bytes : {&inode.current, &inode.durable})
    if (position < bytes->size()) (*bytes)[position] = static_cast<char>((*bytes)[position] ^ static_cast<char>(mask));
}

std::string SimulatedDisk::content(const std::string& path) const {
  std::lock_guard hold(mutex_);
  return names_.at(path)->current;
}

std::uint64_t SimulatedDisk::random() {
  random_state_ += 0x9E3779B97F4A7C15ull;
  auto x = random_state_;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

void SimulatedDisk::trace_in(std::uint64_t value) { trace_ = (trace_ ^ value) * 0x100000001b3ull + 0x9E3779B97F4A7C15ull; }

}  // namespace tidemill::world
