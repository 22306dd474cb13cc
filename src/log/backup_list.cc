// The file `backup`: what a backup consists of (docs/formats/backup.md).
#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "bytes/crc32c.h"
#include "bytes/slice.h"
#include "log/backup.h"

namespace tidemill::log {
namespace {

constexpr std::string_view head = "tidemill-backup ";
constexpr std::string_view version = "1 ";
constexpr std::size_t checksum_digits = 8;

Error bad() { return fail(Code::corrupt, "the list of the backup is damaged", "nothing was restored; take another backup"); }

// Takes a number and the one character behind it off the front.
template <class Number>
bool take(std::string_view& text, Number& number, int base, char behind) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end == text.data() + text.size() || *end != behind) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

bool take_word(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

// A name that leads out of the folder is nobody's backup.
bool is_ours(const std::string& path) {
  auto slash = path.find('/');
  if (slash == std::string::npos) return false;
  auto folder = path.substr(0, slash), name = path.substr(slash + 1);
  if (folder == "journal") return number_of_journal_name(name).has_value();
  return folder == "segments" && (name == "manifest" || name == "checkpoint" || number_of_segment_name(name));
}

}  // namespace

std::string encode_backup_list(const BackupList& list) {
  auto body = fmt::format("\njsn {}\nearliest {}\ntime {}\n", list.jsn.value, list.earliest.value, list.time_ms);
  for (auto& file : list.files) body += fmt::format("{:08x} {} {}\n", file.crc, file.bytes, file.path);
  return fmt::format("{}{}{:08x}", head, version, crc32c(as_bytes(body))) + body;
}

Result<BackupList> decode_backup_list(std::string_view text) {
  if (!take_word(text, head)) return bad();
  if (!take_word(text, version)) return fail(Code::unsupported, "the backup was written by a newer tidemill", "restore it with that one");
  if (text.size() < checksum_digits || fmt::format("{:08x}", crc32c(as_bytes(text.substr(checksum_digits)))) != text.substr(0, checksum_digits)) return bad();
  text.remove_prefix(checksum_digits);
  BackupList list;
  bool good = take_word(text, "\njsn ") && take(text, list.jsn.value, 10, '\n') && take_word(text, "earliest ") && take(text, list.earliest.value, 10, '\n') &&
              take_word(text, "time ") && take(text, list.time_ms, 10, '\n');
  while (good && !text.empty()) {
    auto& file = list.files.emplace_back();
    good = take(text, file.crc, 16, ' ') && take(text, file.bytes, 10, ' ') && text.find('\n') != std::string_view::npos;
    if (!good) break;
    file.path = text.substr(0, text.find('\n'));
    text.remove_prefix(file.path.size() + 1);
    good = is_ours(file.path);
  }
  if (!good) return bad();
  return list;
}

}  // namespace tidemill::log
