// syscall_fault: runs a program, counts its system calls of some kinds over all its threads, and does something to the N-th.
//
// strace counts each thread's calls on their own, so its "the N-th call" reaches only what the busiest thread does. Here the count is
// one for the process, in the order in which the kernel was asked. The calls are caught by a seccomp filter, everything else runs
// at full speed. The program dies with this one, and this one ends as the program ended (128 + signal). SIGTERM and SIGINT are
// passed on; SIGUSR1 kills the program.
//
//   syscall_fault --log FILE --under DIR --calls a,b,.. [--grow] [--at N] [--do kill|EIO|ENOSPC|hold] [--until FILE] [--times N] -- program...
//
//   --calls   of pwrite64 pwritev write fdatasync fsync rename unlink ftruncate fallocate openat (those that make a file), mkdir
//   --under   only calls on files below this folder count
//   --kind    ... and only those whose name ends like this
//   --grow    of writes only those that make a file longer: those that need new room
//   --at N    what --do says happens to the N-th call that counts, before it is carried out; 0 or none: to none.
//             kill: the program is killed. EIO: this one call fails. ENOSPC: from this call on all that count fail, until --until is
//             there. hold: the thread waits in front of the call until --until is there, which is then removed;
//             --times 2 does it to the next call that counts as well, and so on.
//
// Each call that counts is a line of the log: number, monotonic ns, thread, name, path, and what was done to it.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

using Registers = user_regs_struct;

const std::map<std::string, std::vector<long>> numbers_by_name = {
    {"pwrite64", {SYS_pwrite64}}, {"pwritev", {SYS_pwritev, SYS_pwritev2}}, {"write", {SYS_write, SYS_writev}}, {"fdatasync", {SYS_fdatasync}},
    {"fsync", {SYS_fsync}},       {"rename", {SYS_rename, SYS_renameat, SYS_renameat2}}, {"unlink", {SYS_unlink, SYS_unlinkat, SYS_rmdir}}, {"ftruncate", {SYS_ftruncate}},
    {"fallocate", {SYS_fallocate}}, {"openat", {SYS_openat, SYS_open, SYS_creat}}, {"mkdir", {SYS_mkdir, SYS_mkdirat}}};

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "syscall_fault: %s: %s\n", what, std::strerror(errno));
  std::_Exit(125);
}

struct Options {
  std::string log, under, kind, until;
  std::map<long, std::string> calls;
  bool grow = false;
  long at = 0, times = 1;
  enum { kill, one_error, many_errors, hold } action = kill;
  int error = 0;
  char** program = nullptr;
};

void take_calls(Options& options, std::string list) {
  for (list += ','; !list.empty(); list.erase(0, list.find(',') + 1)) {
    auto name = list.substr(0, list.find(','));
    auto found = numbers_by_name.find(name);
    if (found == numbers_by_name.end()) errno = EINVAL, die(name.c_str());
    for (auto number : found->second) options.calls[number] = name;
  }
}

void take_action(Options& options, const std::string& word) {
  if (word == "kill") options.action = Options::kill;
  else if (word == "hold") options.action = Options::hold;
  else if (word == "EIO") options.action = Options::one_error, options.error = EIO;
  else if (word == "ENOSPC") options.action = Options::many_errors, options.error = ENOSPC;
  else errno = EINVAL, die(word.c_str());
}

Options read_options(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    std::string word = words[i];
    if (word == "--") return options.program = words + i + 1, options;
    if (word == "--grow") { options.grow = true; continue; }
    if (i + 1 >= count) break;
    std::string value = words[++i];
    if (word == "--log") options.log = value;
    else if (word == "--under") options.under = value;
    else if (word == "--kind") options.kind = value;
    else if (word == "--until") options.until = value;
    else if (word == "--calls") take_calls(options, value);
    else if (word == "--at") options.at = std::stol(value);
    else if (word == "--times") options.times = std::stol(value);
    else if (word == "--do") take_action(options, value);
    else break;
  }
  errno = EINVAL;
  die("which program?");
}

// Stops the thread at the calls in question, lets all others pass.
void install_filter(const Options& options) {
  std::vector<sock_filter> code = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (auto& [number, name] : options.calls) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) die("seccomp");
}

std::string text_of(pid_t thread, unsigned long long address) {
  char text[4096];
  iovec here{text, sizeof text}, there{reinterpret_cast<void*>(address), sizeof text};
  auto got = ::process_vm_readv(thread, &here, 1, &there, 1, 0);
  if (got <= 0) {  // the page behind may be missing
    there.iov_len = here.iov_len = 4096 - address % 4096;
    got = ::process_vm_readv(thread, &here, 1, &there, 1, 0);
  }
  return got > 0 ? std::string(text, strnlen(text, static_cast<std::size_t>(got))) : std::string();
}

std::string descriptor_link(pid_t thread, unsigned long long fd) { return "/proc/" + std::to_string(thread) + "/fd/" + std::to_string(fd); }

std::string path_of_descriptor(pid_t thread, unsigned long long fd) {
  char path[4096];
  auto n = ::readlink(descriptor_link(thread, fd).c_str(), path, sizeof path);
  return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : std::string();
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

class Tracer {
 public:
  Tracer(Options options, pid_t child) : options_(std::move(options)), child_(child), log_(std::fopen(options_.log.c_str(), "we")) {
    if (!log_) die(options_.log.c_str());
    std::setvbuf(log_, nullptr, _IOLBF, 0);
  }

  int run() {
    for (;;) {
      int status = 0;
      auto thread = ::waitpid(-1, &status, __WALL | (held_ ? WNOHANG : 0));
      if (thread == 0) { wait_a_moment(); continue; }
      if (thread < 0) {
        if (errno == EINTR) continue;
        return code_;
      }
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        if (thread == child_) code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        continue;
      }
      on_stop(thread, status);
    }
  }

 private:
  void on_stop(pid_t thread, int status) {
    auto event = status >> 16;
    if (event == PTRACE_EVENT_SECCOMP) return on_call(thread);
    auto signal = WSTOPSIG(status);
    // A new thread begins stopped; a stop of the group is not ours to undo, but nobody stops a traced server in these tests.
    auto pass = event == 0 && signal != SIGTRAP && signal != SIGSTOP ? signal : 0;
    ::ptrace(PTRACE_CONT, thread, 0, pass);
  }

  void on_call(pid_t thread) {
    Registers registers;
    if (::ptrace(PTRACE_GETREGS, thread, 0, &registers) != 0) return;
    auto path = path_of(thread, registers);
    if (!counts(thread, registers, path)) return go_on(thread);
    ++count_;
    auto done = act(thread, registers);
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    std::fprintf(log_, "%ld %lld %d %s %s %s\n", count_, now.tv_sec * 1'000'000'000ll + now.tv_nsec, thread, options_.calls.at(static_cast<long>(registers.orig_rax)).c_str(), path.c_str(), done);
    if (thread != held_) go_on(thread);
  }

  const char* act(pid_t thread, Registers& registers) {
    if (options_.at == 0 || count_ < options_.at || over_ || held_) return "-";
    if (options_.action == Options::kill) return over_ = true, ::kill(child_, SIGKILL), "killed";
    if (options_.action == Options::hold) return over_ = --options_.times == 0, held_ = thread, "held";
    if (options_.action == Options::many_errors && exists(options_.until)) return over_ = true, "-";
    if (options_.action == Options::one_error) over_ = true;
    registers.orig_rax = static_cast<unsigned long long>(-1);  // no call at all; the answer is ours
    registers.rax = static_cast<unsigned long long>(-options_.error);
    auto copy = registers;
    ::ptrace(PTRACE_SETREGS, thread, 0, &copy);
    registers.orig_rax = last_call_;
    return "failed";
  }

  void wait_a_moment() {
    if (exists(options_.until)) ::unlink(options_.until.c_str()), go_on(std::exchange(held_, 0));
    timespec moment{0, 500'000};
    ::nanosleep(&moment, nullptr);
  }

  static void go_on(pid_t thread) { ::ptrace(PTRACE_CONT, thread, 0, 0); }

  std::string path_of(pid_t thread, const Registers& r) {
    last_call_ = r.orig_rax;
    switch (r.orig_rax) {
      case SYS_rename: case SYS_unlink: case SYS_rmdir: case SYS_open: case SYS_creat: case SYS_mkdir: return text_of(thread, r.rdi);
      case SYS_renameat: case SYS_renameat2: case SYS_unlinkat: case SYS_openat: case SYS_mkdirat: return text_of(thread, r.rsi);
      default: return path_of_descriptor(thread, r.rdi);
    }
  }

  bool counts(pid_t thread, const Registers& r, const std::string& path) const {
    if (path.rfind(options_.under, 0) != 0 || !path.ends_with(options_.kind)) return false;
    if (r.orig_rax == SYS_openat) return (r.rdx & O_CREAT) && !exists(path);
    if (r.orig_rax == SYS_open) return (r.rsi & O_CREAT) && !exists(path);
    if (options_.grow && (r.orig_rax == SYS_pwrite64 || r.orig_rax == SYS_pwritev || r.orig_rax == SYS_pwritev2 || r.orig_rax == SYS_write || r.orig_rax == SYS_writev)) return grows(thread, r);
    return true;
  }

  static bool grows(pid_t thread, const Registers& r) {
    struct stat info{};
    if (::stat(descriptor_link(thread, r.rdi).c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    if (r.orig_rax == SYS_write || r.orig_rax == SYS_writev) return true;
    auto bytes = r.orig_rax == SYS_pwrite64 ? r.rdx : bytes_of(thread, r.rsi, r.rdx);
    return r.r10 + bytes > static_cast<unsigned long long>(info.st_size);
  }

  static unsigned long long bytes_of(pid_t thread, unsigned long long address, unsigned long long count) {
    std::vector<iovec> parts(count);
    iovec here{parts.data(), count * sizeof(iovec)}, there{reinterpret_cast<void*>(address), count * sizeof(iovec)};
    unsigned long long bytes = 0;
    if (::process_vm_readv(thread, &here, 1, &there, 1, 0) <= 0) return 0;
    for (auto& part : parts) bytes += part.iov_len;
    return bytes;
  }

  Options options_;
  pid_t child_;
  std::FILE* log_;
  long count_ = 0;
  bool over_ = false;  // nothing more is done to any call
  pid_t held_ = 0;
  unsigned long long last_call_ = 0;
  int code_ = 125;
};

pid_t child = 0;
void pass_on(int signal) { ::kill(child, signal == SIGUSR1 ? SIGKILL : signal); }

}  // namespace

int main(int count, char** words) {
  auto options = read_options(count, words);
  child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::raise(SIGSTOP);
    install_filter(options);
    ::execvp(options.program[0], options.program);
    die(options.program[0]);
  }
  constexpr long follow = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
  int status = 0;
  if (::waitpid(child, &status, WUNTRACED) != child || ::ptrace(PTRACE_SEIZE, child, 0, follow) != 0) die("ptrace");
  ::signal(SIGTERM, pass_on);
  ::signal(SIGINT, pass_on);
  ::signal(SIGUSR1, pass_on);
  ::kill(child, SIGCONT);
  return Tracer(std::move(options), child).run();
}
